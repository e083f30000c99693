#!/usr/bin/perl

# What a request costs stays within bounds: today's figures and at most 5 %.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;

use Katalo::Bench qw(with cost);
use Katalo::Bench::Profile qw(instructions);
use Katalo::Bench::Rows qw(row);
use Katalo::Test qw(new_key);

# instructions more than the row's base, which is measured as well
my %bound = (
    'module loaded' => 12,
    'location without a key' => 168,
    'proxy_set_header' => 400,
    'key' => 1590,
    'everything' => 2870,
    '$variable' => 2610,
    'credentials: key' => 1880,
    'consumer: $remote_user' => 205,
    'consumer: $ssl_client_s_dn' => 218,
    'consumer: another each time' => 2110,
    'TLS: key' => 2020,
    'TLS: $variable' => 3020,
    'TLS: two lines' => 2150,
    'preflight: key' => 530,
    'browser: key' => 400,
);

my %with = with();
my %cost;


sub measured {
    my ($name) = @_;

    return $cost{$name} //= cost(row($name), %with);
}


for my $name (sort keys %bound) {
    my ($cost, $base) = map { measured($_) } $name, row($name)->{base};
    my $more = $cost->{instructions} - $base->{instructions};

    cmp_ok($more, '>', 0, "$name: costs something");
    cmp_ok($more, '<=', $bound{$name}, "$name: instructions");
    cmp_ok($cost->{system_calls} - $base->{system_calls}, '<', .5,
           "$name: system calls");
    note("$name: $more of $bound{$name}");
}

my %keys = %{ row('keys') };
my $keys = instructions(\%keys, %with)->{instructions};

cmp_ok($keys - measured('key')->{instructions}, '<', 50,
       '10,000 keys: instructions');

# a client that sends a Katalo key again and again does not have all keys of the
# gateway looked through each time

$keys{request} = [@{ $keys{request} },
                  'Authorization: Bearer ' . new_key('client')];

my $leaked = instructions(\%keys, %with)->{instructions} - $keys;

cmp_ok($leaked, '<=', 6640,
       "10,000 keys and one of the client's: instructions");
note("a client's key: $leaked of 6640");

# the status goes over the consumers once, however many keys there are

sub status_of {
    my ($n) = @_;
    my $keys = join ' ', map { "katalo_key key$_ file:%KEY:production%;" }
                             1 .. $n;

    return instructions({
        name => "status of $n", module => 1, status => 200,
        request => ['GET', '/status?format=json'], http => <<"EOC",
    access_log off;
    keepalive_requests 100000000;
    $keys
    katalo_zone 1m consumers=2000;
    server {
        listen 127.0.0.1:%PORT%;
        location = /status { katalo_status; }
    }
EOC
    }, %with)->{instructions};
}

my $further = (status_of(5) - status_of(1)) / 4;

cmp_ok($further, '<=', 40_200, 'another key in the status: instructions');
note("another key in the status: $further of 40200");

# the pool has another page for a longer header, whoever sets it

is(measured($_)->{allocations}, measured('proxy_set_header')->{allocations},
   "$_: allocations") for 'key', 'everything';
is(measured($_)->{allocations}, measured(row($_)->{base})->{allocations},
   "$_: allocations")
    for 'module loaded', 'location without a key', 'preflight: key',
        'browser: key';

done_testing();
