package Katalo::Bench::Load;

# Processor time per request, with wrk, which has no certificate: rows with a
# client of their own have no time.  Rounds are interleaved, so that what else
# the machine does meets all rows alike.
#
#   my $load = load(rounds => 5, key => $key, backend => $backend,
#                   rows => [...]);
#   $load->{bare}    # { time => median in microseconds,
#                    #   ratio => median of those to its base in a round }

use strict;
use warnings;

use Exporter qw(import);
use File::Temp;

use Katalo::Bench::Gateway;
use Katalo::Test::Process qw(slurp);

our @EXPORT_OK = qw(load);

use constant { CONNECTIONS => 8, SECONDS => 1 };


sub load {
    my (%option) = @_;
    my @rows = grep { !$_->{client} } @{ $option{rows} };
    my @gateways = map {
        Katalo::Bench::Gateway->new(row => $_, key => $option{key},
                                    backend => $option{backend})
    } @rows;
    my @rounds;

    # the first one fills caches and opens connections
    for (0 .. $option{rounds}) {
        push @rounds, { map { $_->{row}{name} => _time($_) } @gateways };
    }

    shift @rounds;
    $_->stop for @gateways;

    return { map {
        my ($name, $base) = @$_{qw(name base)};
        $name => { time => _median(map { $_->{$name} } @rounds),
                   ratio => _median(map { $_->{$name} / $_->{$base} }
                                        @rounds) };
    } @rows };
}


sub _median {
    my (@values) = sort { $a <=> $b } @_;

    return $values[$#values / 2];
}


sub _time {
    my ($gateway) = @_;
    my ($method, $target, @headers) = @{ $gateway->{row}{request} };
    my $script = File::Temp->new(SUFFIX => '.lua');

    print $script "wrk.method = '$method'\n";
    close $script;

    my @command = ('wrk', '-t1', '-c' . CONNECTIONS, '-d' . SECONDS, '-s',
                   "$script", (map { ('-H', $_) } @headers),
                   'http://localhost:' . $gateway->port . $target);
    my $before = _on_processor($gateway->pid);

    open my $wrk, '-|', @command or die "wrk: $!\n";
    my $output = do { local $/; <$wrk> };
    close $wrk or die "wrk: $?\n";

    my ($requests) = $output =~ /^\s*(\d+) requests in/m;
    my ($refused) = $output =~ /^\s*Non-2xx or 3xx responses: (\d+)/m;
    my $expected = $gateway->{row}{status} == 200 ? 0 : $requests;

    die "$gateway->{row}{name}: wrk says:\n$output"
        if !$requests || ($refused // 0) != $expected
           || $output =~ /Socket errors/;

    return (_on_processor($gateway->pid) - $before) / $requests / 1000;
}


# nanoseconds
sub _on_processor {
    my ($pid) = @_;

    return (split ' ', slurp("/proc/$pid/schedstat"))[0]
           // die "/proc/$pid/schedstat is missing\n";
}

1;
