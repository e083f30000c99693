#!/usr/bin/perl

# What docs/operations.md gives to be copied does what it says.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Katalo::Test qw(:all);
use Katalo::Test::Process qw(slurp);
use Katalo::Test::Recipe qw(recipe);
use Katalo::Upstream;

my $page = 'docs/operations.md';
my $key = new_key('prod1');
my $up = Katalo::Upstream->new(keys => [$key]);


sub gateway {
    my ($server) = @_;

    $up->clear;

    return Katalo::Test->new(
        upstream => $up, keys => { production => $key }, http => <<"EOC")
        katalo_key production file:%KEY:production%;
        katalo_usage_log %PREFIX%/logs/usage.log interval=1s;
        upstream app.katalo.ai { server 127.0.0.1:%UPSTREAM_PORT%; }
        proxy_ssl_trusted_certificate %CA%;
        server {
            listen 127.0.0.1:%PORT%;
            $server
            location = /status { katalo_status json; }
        }
EOC
        ->start;
}


sub sent { return map { $_->{target} } $up->received(@_) }


# a path below another one, with variables

my $rewrite = recipe($page, 'nginx server', qr/rewrite/);
my $gateway = gateway($rewrite);

is($gateway->request('GET', '/katalo/usage/summary?a=b')->status, 200,
   'a variable: it is answered');
is_deeply([sent(1)], ['/api/v1/usage/summary?a=b'], 'the path is whole');
is($gateway->status->{keys}[0]{ids}[0]{requests}{usage}, 1,
   'and its operation is known');
$gateway->quit;

$gateway = gateway($rewrite =~ s/rewrite .*;//r
                            =~ s/(?<=katalo_host);/\/api\/v1\/;/r);
$gateway->request('GET', '/katalo/usage/summary');
is_deeply([sent(1)], ['/api/v1/'], 'without it, the path is lost');
$gateway->quit;


# an answer of 401

$gateway = gateway(recipe($page, 'nginx server', qr/proxy_intercept_errors/));

my $response = $gateway->request('GET', '/katalo/x-status/401');
is($response->status, 502, 'a 401 of the upstream becomes a 502');
is($response->json->{error}{code}, 'unavailable', 'in an envelope');
is($response->header('Content-Type'), 'application/json', 'of JSON');
is($gateway->request('GET', '/katalo/x-status/404')->status, 404,
   'another status stays');
is($gateway->request('GET', '/katalo/usage/summary')->status, 200,
   'and so does a good one');
is($gateway->status->{keys}[0]{ids}[0]{responses}{401}, 1,
   'it is counted as 401');


# the usage log, rotated

SKIP: {
    skip 'logrotate is not installed', 4 if !-x '/usr/sbin/logrotate';

    my $prefix = $gateway->prefix;
    my $rule = slurp("$FindBin::Bin/../docs/examples/logrotate/katalo")
               =~ s{/var/log/katalo/\*\.log}{$prefix/logs/usage.log}r
               =~ s{/run/nginx\.pid}{$prefix/logs/nginx.pid}gr
               =~ s{www-data adm}{root root}r;

    wait_until(sub { -s "$prefix/logs/usage.log" });
    chmod 0755, $prefix, "$prefix/logs";
    $gateway->write_file('rule', $rule);

    my $output = `/usr/sbin/logrotate -f -s $prefix/state $prefix/rule 2>&1`;
    is($?, 0, 'logrotate takes the rule') or diag($output);

    my @old = glob "$prefix/logs/usage.log-*";
    is(scalar @old, 1, 'and rotates the log');

    # it may write the next line to the old one, before it has the signal

    ok(wait_until(sub {
        $gateway->request('GET', '/katalo/usage/summary');
        return -s "$prefix/logs/usage.log";
    }), 'nginx writes a new one');
    like(slurp($old[0]), qr/\n\z/, 'and the old one is whole');
}

done_testing();
