package Katalo::Test::UsageLog;

# Lines of katalo_usage_log, and whether they add up.
#
#   my @lines = usage_lines($gateway, 'logs/usage.log*');  # below the prefix
#   my @lines = parse_lines($text)
#   my @new = wait_for_lines($gateway, 'logs/usage.log', $number);
#   my $sum = deltas(@lines);       # { "key id" => { "requests.total" => n } }
#   adds_up('a title', @lines);     # deltas of all lines are the last totals
#   requests(@lines)                # upstream requests in all deltas
#   rotate($gateway, 'logs/usage.log.1')     renames it and sends USR1
#   usage_http('logs/usage.log interval=1s', 'further lines of http{}',
#              %option)                       # those of gateway_http()
#
# What is no JSON object is skipped, as is a line whose id was there already: a
# reader of the log does so.  It is a failure if a second line of an id has
# other content, or if what was cut off is more than the beginning of a line
# that is there.  adds_up() also finds out if a number is missing.  In the last
# parse_lines(), cut_off() lines were cut off, and repeated() were there again.
#
# Lines of consumers are left out: consumer_lines() has those that the last
# parse_lines() found, and adds_up() looks at them as well.

use strict;
use warnings;

use Exporter qw(import);
use JSON::PP qw(decode_json);
use Test::More;

use Katalo::Test qw(gateway_http wait_until redact);
use Katalo::Test::Process qw(slurp);

our @EXPORT_OK = qw(usage_lines parse_lines wait_for_lines deltas totals
                    adds_up requests rotate usage_http cut_off repeated
                    consumer_lines);

my ($cut_off, $repeated) = (0, 0);
my @consumers;


# One key, production, and what its test needs around it.
sub usage_http {
    my ($log, $lines, %option) = @_;

    $log = "katalo_usage_log $log;" if length $log;
    $lines //= '';

    return gateway_http(
        key => 'check=100ms', upstream => 'KEPT_UPSTREAM',
        http => "$log\n    $lines\n    proxy_read_timeout 1h;", %option);
}


# Returns when the master and all workers have the new file.
sub rotate {
    my ($gateway, $name) = @_;
    my $path = $gateway->prefix . '/logs/usage.log';

    rename $path, $gateway->prefix . "/$name" or die "rename $path: $!\n";
    $gateway->signal('USR1');

    return wait_until(sub {
        for my $pid ($gateway->master_pid, $gateway->worker_pids) {
            return 0 if !grep { (readlink $_ // '') eq $path }
                              glob "/proc/$pid/fd/*";
        }
        return 1;
    }) || die "the usage log is not reopened\n";
}


sub usage_lines {
    my ($gateway, $pattern) = @_;
    my $text = '';

    for my $path (glob $gateway->prefix . "/$pattern") {
        my $content;

        # the last line may be in the middle of being written

        wait_until(sub { ($content = slurp($path)) =~ /(?:\A|\n)\z/ }, 1);
        $text .= "$content\n";
    }

    return parse_lines($text);
}


sub cut_off { return $cut_off }
sub repeated { return $repeated }
sub consumer_lines { return @consumers }


sub parse_lines {
    my ($text) = @_;
    my (%content, @lines, @parts);

    ($cut_off, $repeated) = (0, 0);
    @consumers = ();

    for my $content (grep { length } split /\n/, $text) {
        my $line = eval { decode_json($content) };

        if (!$line) {
            push @parts, $content;
            $cut_off++;
            next;
        }

        my $id = $line->{id};

        if (!defined $content{$id}) {
            $content{$id} = $content;
            push @{ defined $line->{consumer} ? \@consumers : \@lines }, $line;
            next;
        }

        $repeated++;
        fail("id $id has one content: " . redact($content))
            if $content{$id} ne $content;
    }

    # the last one may be in the middle of being written

    for my $part (@parts) {
        fail('what is no line is the beginning of one: ' . redact($part))
            if !grep { index($_, $part) == 0 } values %content
               and $text !~ /\Q$part\E\n*\z/;
    }

    return @lines;
}


sub wait_for_lines {
    my ($gateway, $pattern, $number, $timeout) = @_;
    my $path = $gateway->prefix . "/$pattern";
    my $count = sub {
        my $n = 0;

        for my $file (glob $path) {
            open my $fh, '<', $file or next;
            $n += /\n\z/ && !/"consumer":/ while <$fh>;
        }
        return $n;
    };

    wait_until(sub { $count->() >= $number }, $timeout)
        or diag("less than $number lines");

    return usage_lines($gateway, $pattern);
}


# Counters by their path; seconds as milliseconds, so that sums are exact.
sub flat {
    my ($data, $path) = @_;

    return map { flat($data->{$_}, defined $path ? "$path.$_" : $_) }
               keys %$data if ref $data eq 'HASH';
    return map { ("$path.$_->{le}" => $_->{count}) } @$data
        if ref $data eq 'ARRAY';
    return ($path => $path =~ /seconds\.sum$/ ? sprintf('%.0f', $data * 1000)
                                              : $data);
}


sub name_of {
    my ($line) = @_;

    return "$line->{key} consumer $line->{consumer}"
        if defined $line->{consumer};

    return join ' ', $line->{key}, $line->{key_id} // 'null';
}


sub deltas {
    my %sum;

    for my $line (@_) {
        my %count = flat($line->{delta});

        $sum{name_of($line)}{$_} += $count{$_} for keys %count;
    }

    return \%sum;
}


# The greatest there are: of each counter, the last.  A consumer that gave way
# and is there again begins at zero.
sub totals {
    my (%total, %before);

    for my $line (@_) {
        my %count = flat($line->{total});
        my %delta = flat($line->{delta});
        my $last = $total{name_of($line)} //= {};
        my $before = $before{name_of($line)} //= {};

        %$before = %$last if defined $line->{consumer}
                             && !grep { $count{$_} != ($delta{$_} // 0) }
                                      keys %count;

        for (keys %count) {
            my $n = $count{$_} + ($before->{$_} // 0);

            $last->{$_} = $n if $n > ($last->{$_} // -1);
        }
    }

    return \%total;
}


# Facts of a key name move with its current id: they are summed up by name.
sub by_name {
    my ($counts, $facts) = @_;
    my %sum;

    for my $name (keys %$counts) {
        my ($key) = $name =~ /^(\S+)/;

        for (keys %{ $counts->{$name} }) {
            my $n = $counts->{$name}{$_};

            if (!/^(?:denied|client_cred|rotations|read_fail)/) {
                $sum{$name}{$_} = $n;
            } elsif ($facts eq 'sum') {
                $sum{$key}{$_} += $n;
            } elsif ($n > ($sum{$key}{$_} // 0)) {
                $sum{$key}{$_} = $n;
            }
        }
    }

    return \%sum;
}


sub adds_up {
    my ($title, @lines) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my %numbers;

    push @lines, @consumers;

    for (@lines) {
        my ($run, $number) = $_->{id} =~ /^([0-9a-f]{16})\.([1-9]\d*)\z/
            or return fail("$title: an id: $_->{id}");
        $numbers{$run}{$number} = 1;
    }

    for my $run (values %numbers) {
        fail("$title: a line is missing")
            if grep { !$run->{$_} } 1 .. keys %$run;
    }

    # files are read in any order

    @lines = sort { ($a->{id} =~ /(\d+)\z/)[0] <=> ($b->{id} =~ /(\d+)\z/)[0] }
                  @lines;

    return is_deeply(by_name(deltas(@lines), 'sum'),
                     by_name(totals(@lines), 'max'),
                     "$title: the deltas add up to the totals");
}


# Upstream requests in all deltas.
sub requests {
    my $sum = 0;

    $sum += $_->{delta}{requests}{total} // 0 for @_;

    return $sum;
}

1;
