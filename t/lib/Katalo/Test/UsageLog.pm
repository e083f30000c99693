package Katalo::Test::UsageLog;

# Lines of katalo_usage_log, and whether they add up.
#
#   my @lines = usage_lines($gateway, 'logs/usage.log*');  # below the prefix
#   my @new = wait_for_lines($gateway, 'logs/usage.log', $number);
#   my $sum = deltas(@lines);       # { "key id" => { "requests.total" => n } }
#   adds_up('a title', @lines);     # deltas of all lines are the last totals
#   requests(@lines)                # upstream requests in all deltas
#   rotate($gateway, 'logs/usage.log.1')     renames it and sends USR1
#   usage_http('logs/usage.log interval=1s', 'further lines of http{}')
#
# A line that is no JSON object, or has no end, is a failure of its own.

use strict;
use warnings;

use Exporter qw(import);
use JSON::PP qw(decode_json);
use Test::More;

use Katalo::Test qw(wait_until redact);

our @EXPORT_OK = qw(usage_lines wait_for_lines deltas totals adds_up requests
                    rotate usage_http);


# One key, production, and what its test needs around it.
sub usage_http {
    my ($log, $lines) = @_;

    $log = "katalo_usage_log $log;" if length $log;
    $lines //= '';

    return <<"EOC";
    $log
    $lines
    katalo_key production file:%KEY:production% check=100ms;
    upstream app.katalo.ai {
        server 127.0.0.1:%UPSTREAM_PORT% max_fails=0;
        keepalive 8;
    }
    proxy_ssl_trusted_certificate %CA%;
    proxy_set_header Connection "";
    server {
        listen 127.0.0.1:%PORT%;
        location /katalo/ {
            katalo_bearer production;
            proxy_pass https://app.katalo.ai/api/v1/;
        }
        location = /status { katalo_status json; }
    }
EOC
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
        open my $file, '<', $path or die "$path: $!\n";
        local $/;
        $text .= <$file> // '';
    }

    return parse($text);
}


sub parse {
    my ($text) = @_;

    fail('the last line has an end') if length $text && $text !~ /\n\z/;

    return map {
        eval { decode_json($_) } // do { fail('a line is JSON: ' . redact($_));
                                         () };
    } split /\n/, $text;
}


sub wait_for_lines {
    my ($gateway, $pattern, $number, $timeout) = @_;
    my $path = $gateway->prefix . "/$pattern";
    my $count = sub {
        my $n = 0;

        for my $file (glob $path) {
            open my $fh, '<', $file or next;
            $n++ while <$fh>;
        }
        return $n;
    };

    wait_until(sub { $count->() >= $number }, $timeout // 10)
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


sub name_of { return join ' ', $_[0]{key}, $_[0]{key_id} // 'null' }


sub deltas {
    my %sum;

    for my $line (@_) {
        my %count = flat($line->{delta});

        $sum{name_of($line)}{$_} += $count{$_} for keys %count;
    }

    return \%sum;
}


# The greatest there are: of each counter, the last.
sub totals {
    my %total;

    for my $line (@_) {
        my %count = flat($line->{total});
        my $last = $total{name_of($line)} //= {};

        for (keys %count) {
            $last->{$_} = $count{$_} if $count{$_} > ($last->{$_} // -1);
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
