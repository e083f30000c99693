package Katalo::Bench::Profile;

# What a request costs, exactly: instructions and allocations by callgrind,
# system calls by strace.
#
#   my $cost = instructions($row, %with);    # { instructions, malloc, ... }
#   my $calls = system_calls($row, %with);   # { writev, epoll_wait, ... }
#
# Figures are per request: two runs of requests, one twice as long as the
# other, differ by those requests alone.  Each is made three times, and the
# least counts: a busy machine only adds to a run.  "repeats" is false where the
# three differ.  %with is what Katalo::Bench::Gateway->new takes (key, backend),
# and keep, a path where the profile of the last run is left for
# callgrind_annotate.

use strict;
use warnings;

use Exporter qw(import);
use File::Copy qw(copy);
use File::Temp;
use List::Util qw(uniq);

use Katalo::Bench::Gateway;
use Katalo::Test::Process qw(wait_until slurp);

our @EXPORT_OK = qw(instructions system_calls REQUESTS);

# of TLS records, 256 carry from one byte of their number to the next
use constant { WARM_UP => 100, REQUESTS => 256 };

my @runs = (REQUESTS, 2 * REQUESTS) x 3;

# of those that allocate, what a program calls and not what that calls itself
my %allocates = map { $_ => 1 } qw(malloc calloc realloc posix_memalign
                                   memalign aligned_alloc);


sub instructions {
    my ($row, %with) = @_;
    my $directory = File::Temp->newdir('katalo-bench-XXXXXX', TMPDIR => 1);
    my $path = "$directory/profile";

    _serve($row, %with, tool => [
        '/usr/bin/valgrind', '-q', '--tool=callgrind', '--dump-line=no',
        "--callgrind-out-file=$path"]);

    my $last = () = glob "$path.*";
    my @profiles = map { "$path.$_" } $last - @runs + 1 .. $last;

    copy($profiles[-1], $with{keep}) if $with{keep};

    return _per_request(map { _profile(slurp($_)) } @profiles);
}


sub _profile {
    my ($text) = @_;
    my ($called, %name, %count);

    ($count{instructions}) = $text =~ /^totals: (\d+)/m;

    # a function has its name where it is first met, and a number from then on
    while ($text =~ /^(?:c?fn=\((\d+)\)(?:\ (.*))?|calls=(\d+)\ .*)$/mgx) {
        if (defined $3) {
            $count{ $name{$called} } += $3 if $allocates{ $name{$called} };
        } else {
            $name{$1} = $2 if defined $2;
            $called = $1;
        }
    }

    return \%count;
}


sub system_calls {
    my ($row, %with) = @_;
    my $file = File::Temp->new;

    # with -D, what serves is the child of this process, and ends with it
    _serve($row, %with, tool => [qw(/usr/bin/strace -D -q -o),
                                 "$file"]);
    wait_until(sub { slurp("$file") =~ /^\+\+\+ /m }) or die "no trace\n";

    my @calls;

    for (split /\n/, slurp("$file")) {
        push @calls, {} if /^getppid\(/;
        $calls[-1]{$1}++ if /^(\w+)\(/ && @calls;
    }

    # the last one only ends the one before
    return _per_request(@calls[-@runs - 1 .. -2]);
}


sub _serve {
    my ($row, %with) = @_;
    my $gateway = Katalo::Bench::Gateway->new(row => $row, still => 1, %with);

    $gateway->requests($_) for WARM_UP, @runs, 1;

    return $gateway->stop;
}


sub _per_request {
    my @counts = @_;
    my %cost = (repeats => 1);

    for my $name (uniq(map { keys %$_ } @counts)) {
        my @once = sort { $a <=> $b } map { $counts[$_]{$name} // 0 } 0, 2, 4;
        my @twice = sort { $a <=> $b } map { $counts[$_]{$name} // 0 } 1, 3, 5;

        $cost{$name} = ($twice[0] - $once[0]) / REQUESTS;
        $cost{repeats} = 0 if $once[0] != $once[2] || $twice[0] != $twice[2];
    }

    return \%cost;
}

1;
