#!/usr/bin/perl

# A worker is killed while an id gives way to a new one: whoever comes next does
# what is left of it, and the requests of the id are counted once.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Katalo::Test qw(:all);
use Katalo::Test::Debugger;
use Katalo::Test::UsageLog qw(usage_lines consumer_lines adds_up deltas);
use Katalo::Upstream;

my $up = Katalo::Upstream->new;
my ($gateway, $n, $sent);


sub gateway {
    ($n, $sent) = (0, 0);

    return Katalo::Test->new(
        upstream => $up, keys => { production => new_key('id0') },
        http => gateway_http(
            key => 'check=100ms', http => <<'EOC', server => <<'EOS'))->start;
    katalo_zone 32k consumers=4;
    katalo_usage_log %PREFIX%/logs/usage.log interval=1h;
    map $http_x_user $user { default $http_x_user; }
EOC
        katalo_consumer $user;
EOS
}


sub ask {
    $sent++;

    return $gateway->request('GET', '/katalo/usage/summary',
                             headers => ['X-User: alice'])->status;
}


sub ids { return @{ $gateway->settled_status->{keys}[0]{ids} } }


sub rotate {
    $n++;

    return $gateway->set_key(production => new_key("id$n"));
}


sub rotated { return $gateway->wait_for_log(qr/to "id$n"/) }


# Each id has a slot, until one gives way.
sub fill {
    my $ids = 0;

    while (ids() > $ids) {
        $ids = ids();
        ask();
        rotate();
        rotated() or die "no rotation\n";
    }

    return $ids;
}


# Where a worker is killed, once the words to be changed are noted.

my @places = (['the list is there', '$csh->pending == 0'],
              ['the list is done', '$id->len != 0']);

for my $place (@places) {
    my ($title, $condition) = @$place;

    $gateway = gateway();

    cmp_ok(fill(), '<', 20, "$title: slots are used up");
    is(ask(), 200, "$title: one more request");

    my ($worker) = $gateway->worker_pids;
    my $gdb = Katalo::Test::Debugger->new(
        $worker, 'break ngx_http_katalo_consumers_do', 'continue', 'delete',
        'set $csh = csh', 'up', 'set $id = &shid->id', 'down',
        "while $condition", 'stepi', 'end');

    rotate();
    ok($gdb->reached, "$title: an id gives way") or diag($gdb->output);
    $gdb->kill;

    ok(rotated(), "$title: the next worker has the new key");
    is(ask(), 200, "$title: which is used");

    my %total = map { $_->{consumer} => $_->{requests}{total} }
                    @{ $gateway->settled_status->{keys}[0]{consumers} };

    is_deeply(\%total, { alice => $sent }, "$title: counted once");

    $gateway->quit;

    my @lines = usage_lines($gateway, 'logs/usage.log');
    my $deltas = deltas(consumer_lines());

    adds_up($title, @lines);
    is_deeply([map { $_->{'requests.total'} } values %$deltas], [$sent],
              "$title: and in the usage log");
}

done_testing();
