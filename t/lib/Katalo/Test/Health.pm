package Katalo::Test::Health;

# Is nginx as well after a fault as before?
#
#   settles($gateway, 'a title');    nothing is in flight, the status answers
#   my $before = memory($gateway);   what the largest worker has for itself
#   keeps_memory($gateway, 'a title', $before);
#   ends_well($gateway, killed => [pids], expected => qr/.../);
#
# ends_well() has nginx quit, and then looks at the whole error log: each killed
# worker exited on signal 9, no other process by a signal; no alert (a
# connection that was left open is one), emerg or crit but those expected.

use strict;
use warnings;

use Exporter qw(import);
use Test::More;

use Katalo::Test qw(redact);
use Katalo::Test::Process qw(slurp);
use Katalo::Test::Tool;

our @EXPORT_OK = qw(settles memory keeps_memory ends_well);

# Kilobytes: nginx's pools and malloc()'s arenas settle by some pages.
use constant SLACK => 512;


sub settles {
    my ($gateway, $title) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $settled = eval { $gateway->settled_status };

    return ok($settled, "$title: nothing is in flight") || diag($@);
}


# Kilobytes, without what is shared.
sub memory {
    my ($gateway) = @_;
    my ($largest) = sort { $b <=> $a }
                    map { slurp("/proc/$_/status") =~ /^RssAnon:\s+(\d+)/m }
                        $gateway->worker_pids;

    return $largest // die "the memory of no worker can be seen\n";
}


sub keeps_memory {
    my ($gateway, $title, $before) = @_;
    my $now = memory($gateway);

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    note("$title: $before KB before, $now KB after");

    SKIP: {
        skip 'the tool keeps what was freed', 1
            if Katalo::Test::Tool::reporting();

        cmp_ok($now, '<=', $before + SLACK,
               "$title: no worker takes more memory");
    }

    return;
}


sub ends_well {
    my ($gateway, %option) = @_;
    my $expected = $option{expected} // qr/(?!)/;
    my @killed = sort { $a <=> $b } @{ $option{killed} // [] };

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    is($gateway->quit, 0, 'nginx ends by itself');

    my $log = $gateway->read_file('logs/error.log');
    my @dead = sort { $a <=> $b }
               $log =~ /worker process (\d+) exited on signal 9\b/g;
    my @bad = grep { /\[(?:alert|emerg|crit)\]/ && !/exited on signal 9\b/
                     && $_ !~ $expected
                     || /exited on signal (?!9\b)/ } split /\n/, $log;

    is("@dead", "@killed", 'no worker has died but those that were killed');
    is(scalar @bad, 0, 'the error log has nothing worse than errors')
        or diag(redact(join "\n", @bad[0 .. ($#bad < 9 ? $#bad : 9)]));

    return;
}

1;
