#!/usr/bin/perl

# Hostile names: whatever a name holds, it is shown as text, and two different
# ones never look alike.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Digest::SHA qw(sha256_hex);
use JSON::PP qw(decode_json);
use MIME::Base64 qw(encode_base64);

use Katalo::Test qw(:all);
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


# A byte that is no printable ASCII is a section sign and two digits.
sub escaped {
    my ($text) = @_;

    return $text =~ s/([^ -~])/sprintf "\x{a7}%02x", ord $1/ger;
}


my $long = 'x' x 5000;
my $cut = 'y' x 95 . '~' . substr sha256_hex('y' x 129), 0, 32;
my %plain = map { $_ => $_ } (
    'alice', 'a"b', 'a\\b', '\\x0a', '<script>alert(1)</script>', '__proto__',
    'constructor', q{'"><img src=x onerror=alert(1)>}, '{}', 'a b', '$(x)',
    'CN=a,O=b', 'null', '0', '""', '%0a', '&amp;', '\\u0041', 'z' x 124,
    'z' x 128);
my %other = (
    "a\nb" => escaped("a\nb"), "a\r\nX-Evil=1" => escaped("a\r\nX-Evil=1"),
    "\x01\x1f\x7f" => escaped("\x01\x1f\x7f"),
    "\xff\xfe" => escaped("\xff\xfe"), "\xc3\xa9" => escaped("\xc3\xa9"),
    "\xe9" => escaped("\xe9"), "\xc2\xa7" . '0a' => escaped("\xc2\xa7") . '0a',
    "\xe2\x80\xae" => escaped("\xe2\x80\xae"),
    "\xd0\xb0lice" => escaped("\xd0\xb0") . 'lice',
    '*' => "\x{a7}2a",
    'y' x 129 => $cut,
    $cut => 'y' x 95 . '~' . substr(sha256_hex($cut), 0, 32),
    $long => 'x' x 95 . '~' . substr(sha256_hex($long), 0, 32),
    "${long}x" => 'x' x 95 . '~' . substr(sha256_hex("${long}x"), 0, 32),
    "\x02" x 33 => escaped("\x02") x 23 . '~'
                   . substr(sha256_hex("\x02" x 33), 0, 32),
);

my %name = (%plain, %other);
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
