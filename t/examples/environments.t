#!/usr/bin/perl

# docs/examples/environments: a client's certificate chooses the key, and names
# the consumer.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;

use Katalo::Examples qw(example gateway client_certificate);
use Katalo::Test qw(:all);
use Katalo::Upstream qw(expects_auth);

my %key = map { $_ => new_key($_) } qw(production staging);
my $up = Katalo::Upstream->new(keys => [values %key]);
my $gateway = gateway(example('environments/nginx.conf'),
                      upstream => $up, keys => \%key)->start;


sub ask {
    my (@certificate) = @_;

    return curl(@certificate, $gateway->tls_url('/katalo/usage/summary'));
}


sub uses {
    my ($subject, $environment) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    $up->clear;
    is(ask(client_certificate($subject, 'ca'))->status, 200,
       "$subject is answered");
    is_deeply([map { $up->auth($_) } $up->received(1)],
              [expects_auth($key{$environment})], "with the $environment key");

    return;
}


sub refused {
    my ($title, $status, $decision, @certificate) = @_;
    my $response = ask(@certificate);

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    is($response->status, $status, "$title gets $status");
    is($response->header('X-Katalo-Gateway'), $decision, 'of the right place');

    return;
}


uses('/O=Example/CN=shop', 'production');
uses('/O=Example/CN=catalogue', 'production');
uses('/O=Example/CN=shop-test', 'staging');

$up->clear;
refused('another name', 403, 'no_key',
        client_certificate('/O=Example/CN=other', 'ca'));
refused('no organization', 403, 'no_key',
        client_certificate('/CN=shop', 'ca'));
refused('another CA', 400, undef,
        client_certificate('/O=Example/CN=shop', 'other_ca'));
refused('no certificate', 400, undef);
is(scalar $up->received, 0, 'nothing of these is sent');

my $status = $gateway->settled_status('/katalo_status');
my %used = map { $_->{key} => $_->{ids}[0]{requests}{total} }
               @{ $status->{keys} };

is_deeply(\%used, { production => 2, staging => 1 }, 'each key is counted');
is_deeply({ map { $_->{consumer} => $_->{requests}{total} }
            map { @{ $_->{consumers} } } @{ $status->{keys} } },
          { map { ("CN=$_,O=Example" => 1) } qw(shop catalogue shop-test) },
          'and each consumer');
is($status->{denied}{no_key}, 2, 'and the refusals');
is($gateway->request('GET', '/katalo_ready')->status, 200, 'keys are ready');

lacks_secrets($gateway->error_log, 'the error log shows no key');

done_testing();
