#!/usr/bin/perl

# Hostile names: whatever a name holds, it is shown as text, and two different
# ones never look alike.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use JSON::PP qw(decode_json);
use MIME::Base64 qw(encode_base64);

use Katalo::Test qw(:all);
use Katalo::Test::Names qw(hostile_names escaped);
use Katalo::Test::UsageLog qw(usage_lines consumer_lines);
use Katalo::Upstream;

my $key = new_key('prod1');
my $up = Katalo::Upstream->new(keys => [$key]);
my $gateway = Katalo::Test->new(
    upstream => $up, keys => { production => $key },
    http => gateway_http(http => <<'EOC', server => <<'EOS'))->start;
    katalo_usage_log %PREFIX%/logs/usage.log interval=1s;
    map $remote_user $user { default $remote_user; }
    large_client_header_buffers 4 32k;
EOC
        katalo_consumer $user;
        proxy_set_header X-Consumer $katalo_consumer;
        location = /metrics { katalo_status prometheus; }
EOS


# What the upstream is told of a client of this name.
sub name_of {
    my ($user) = @_;
    my $basic = 'Authorization: Basic ' . encode_base64("$user:x", '');

    $up->clear;

    my $response = $gateway->request('GET', '/katalo/usage/summary',
                                     headers => [$basic]);

    return if $response->status != 200;

    my @records = $up->received(1);
    my @values = $up->values($records[0], 'X-Consumer');

    return @values == 1 ? $values[0] : undef;
}


my %name = hostile_names();
my @users = sort keys %name;

for my $user (@users) {
    my $sent = name_of($user);
    my $expected = $name{$user};

    utf8::encode($expected);
    is($sent, $expected, 'told: ' . escaped(substr $user, 0, 40));
    cmp_ok(length $sent // '', '<=', 128, 'in 128 bytes at most');
}

is(scalar keys %{ { map { $_ => 1 } values %name } }, scalar @users,
   'different names stay different');


# the same names everywhere

$gateway->settled_status;

my @names = sort values %name;
my $json = $gateway->request('GET', '/status')->body;
my ($data) = @{ decode_json($json)->{keys} };

ok(utf8::decode(my $text = $json), 'the status is UTF-8');
is_deeply([sort map { $_->{consumer} } @{ $data->{consumers} }], \@names,
          'and has all names');
is_deeply([grep { $_->{requests}{total} != 1 || $_->{responses}{'2xx'} != 1 }
                @{ $data->{consumers} }], [], 'with one request each');

my $metrics = $gateway->request('GET', '/metrics')->body;

ok(utf8::decode($metrics), 'the metrics are UTF-8');

my @labels = $metrics =~ /^katalo_consumer_requests_total\{key="production",
                          consumer="((?:[^"\\\n]|\\["\\])*)",
                          operation="usage"\}[ ]1$/mgx;

is_deeply([sort map { s/\\(.)/$1/gr } @labels], \@names,
          'and have all names as labels');
is(scalar(() = $metrics =~ /^katalo_consumer_requests_total\{/mg),
   scalar @names, 'no other series');

my @lines;

ok(wait_until(sub {
    usage_lines($gateway, 'logs/usage.log');
    @lines = consumer_lines();
    my %all = map { $_->{consumer} => 1 } @lines;
    return keys %all == @names;
}), 'the usage log has as many');
is_deeply([sort keys %{ { map { $_->{consumer} => 1 } @lines } }], \@names,
          'all names');

lacks_secrets($gateway->error_log, 'the error log shows no key');

done_testing();
