#!/usr/bin/perl

# A process without a master follows its key files also after a reload, in a
# zone of another size: those of the configuration before are left alone.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Katalo::Test qw(:all);
use Katalo::Upstream;

my $key = new_key('prod1');
my $up = Katalo::Upstream->new(keys => [$key]);
my $gateway = Katalo::Test->new(
    upstream => $up, keys => { production => $key }, workers => 0,
    main => 'master_process off;',
    http => gateway_http(key => 'check=50ms'))->start;


sub follows {
    my ($id, $name) = @_;

    $gateway->set_key('production', new_key($id));

    ok($gateway->wait_for_log(qr{rotated from id .* to "$id"}), $name);

    return;
}


ok(wait_until(sub { eval { $gateway->status } }), 'it runs');
follows('prod2', 'a key file is followed');

for my $size (1, 2, 4) {
    $gateway->mark_log;
    $gateway->configure(http => gateway_http(key => 'check=50ms',
                                             http => "katalo_zone ${size}m;"));
    $gateway->signal('HUP');

    ok($gateway->wait_for_log(qr/katalo: ngx_http_katalo_module/),
       "$size MB: reloaded");
    follows("size$size", "$size MB: a key file is followed");
}

ok($gateway->is_running, 'it goes on');


# it has installed the key itself, so no reload would lose it

my $optional = gateway_http(key => 'check=50ms optional');

$gateway->mark_log;
$gateway->configure(http => $optional);
$gateway->signal('HUP');
ok($gateway->wait_for_log(qr/katalo: ngx_http_katalo_module/),
   'reloaded with an optional key');
follows('last', 'a key file is followed');

$gateway->set_key('production', "no key\n");
ok($gateway->wait_for_log(qr/"production": .* holds no key/), 'a bad file');
$gateway->mark_log;
$gateway->signal('HUP');
ok($gateway->wait_for_log(qr/the one with id "last" stays in use/),
   'the key stays after a reload');

done_testing();
