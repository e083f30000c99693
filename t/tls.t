#!/usr/bin/perl

# A key goes to nobody but a verified upstream, by default and with what the
# user trusts at any level; a test that mixes trust has an upstream block each,
# since TLS sessions are kept in it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Katalo::Test qw(:all);
use Katalo::Upstream qw(expects_auth);

my $key = new_key('prod1');
my %up = map { $_ => Katalo::Upstream->new(certificate => $_) }
             qw(server untrusted wrong_name expired chain);
my %port = (map({ uc($_) . '_PORT' => $up{$_}->port } keys %up),
            PLAIN_PORT => $up{server}->plain_port);

my $blocks = '';


# an upstream block of its own, and a location that uses it
sub location {
    my ($name, $upstream, @lines) = @_;
    my $bearer = "@lines" =~ /katalo_bearer/ ? '' : 'katalo_bearer production;';
    my $scheme = $upstream eq 'plain' ? 'http' : 'https';

    $blocks .= "upstream $name.katalo.ai { server 127.0.0.1:%"
               . uc($upstream) . "_PORT%; }\n";

    return <<"EOC";
location /$name/ {
    $bearer
    @lines
    proxy_pass $scheme://$name.katalo.ai/api/v1/;
}
EOC
}


# What arrives at an upstream when a location is asked.
sub asks {
    my ($gateway, $name, %option) = @_;

    $_->clear for values %up;
    my $status = $gateway->request('GET', "/$name/x-status/201", %option)
                         ->status;
    my @records = map { $_->received } values %up;

    return ($status, @records);
}


sub reaches {
    my ($gateway, $name, $title, %option) = @_;
    my ($status, @records) = asks($gateway, $name, %option);

    is($status, 201, "$title: answered");
    is_deeply([map { $up{server}->auth($_) } @records], [expects_auth($key)],
              "$title: with the key");

    return $records[0] // {};
}


sub fails {
    my ($gateway, $name, $title, %option) = @_;

    $gateway->mark_log;
    my ($status, @records) = asks($gateway, $name, %option);

    is($status, 502, "$title: 502");
    is(scalar @records, 0, "$title: nothing reaches the upstream");
    ok($gateway->wait_for_log(qr/upstream SSL certificate/),
       "$title: the log says why");

    return;
}


# each certificate, and each level that the user may say whom to trust

my @locations = (
    [good => 'server'], [unknown => 'untrusted'], [misnamed => 'wrong_name'],
    [late => 'expired'], [deep => 'chain'],
    [shallow => 'chain', 'proxy_ssl_verify_depth 1;'],
    [silent => 'server', 'proxy_ssl_server_name off;'],
    [renamed => 'wrong_name', 'proxy_ssl_name wrong.example;'],
    [here => 'untrusted', 'proxy_ssl_trusted_certificate %OTHER_CA%;'],
    [hither => 'server', 'proxy_ssl_trusted_certificate %OTHER_CA%;'],
    [plain => 'plain', 'katalo_upstream_tls off;'],
    [unverified => 'untrusted', 'katalo_upstream_tls off;'],
    [asked => 'untrusted', 'katalo_upstream_tls off; proxy_ssl_verify on;'],
    [without => 'untrusted', 'katalo_bearer off;'],
);
my $server = join '', map { location(@$_) } @locations;
my $above = location('above', 'untrusted') . location('beside', 'server');

my $gateway = Katalo::Test->new(
    keys => { production => $key }, vars => \%port,
    http => <<"EOC")->start;
katalo_key production file:%KEY:production% host=.katalo.ai host=wrong.example;
$blocks
proxy_ssl_trusted_certificate %OTHER_CA%;
server {
    listen 127.0.0.1:%PORT%;
    proxy_ssl_trusted_certificate %CA%;
    $server
}
server {
    listen 127.0.0.1:%PORT2%;
    $above
}
EOC

my $record = reaches($gateway, 'good', 'a certificate of the CA');
is($record->{sni}, 'good.katalo.ai', 'the name is sent in the handshake');
ok($record->{tls}, 'over TLS');

fails($gateway, 'unknown', 'an unknown CA');
fails($gateway, 'misnamed', 'another name');
fails($gateway, 'late', 'an expired certificate');
reaches($gateway, 'deep', 'a chain with two intermediate certificates');
fails($gateway, 'shallow', "the user's own depth");
$record = reaches($gateway, 'silent', "the user's own server_name");
is($record->{sni}, undef, 'no name is sent where the user says so');
reaches($gateway, 'renamed', "the user's own name");

reaches($gateway, 'here', "trust at the location's level");
fails($gateway, 'hither', "only the location's level counts");
reaches($gateway, 'above', "trust at http's level", port => $gateway->port(2));
fails($gateway, 'beside', "only http's level counts",
      port => $gateway->port(2));

$record = reaches($gateway, 'plain', 'katalo_upstream_tls off with http');
ok(!$record->{tls}, 'is in the clear');
$record = reaches($gateway, 'unverified', 'katalo_upstream_tls off with https');
ok($record->{tls}, 'is over TLS');
is($record->{sni}, 'unverified.katalo.ai', 'with a server name');
fails($gateway, 'asked', 'verified though it need not be');

my ($status, @records) = asks($gateway, 'without');
is($status, 201, 'where there is no key, nothing is verified');
is_deeply([map { $up{server}->auth($_) } @records], [], 'and no key is sent');

lacks_secrets($gateway->error_log, 'the error log holds no key');


done_testing();
