#!/usr/bin/perl

# No page of another origin reaches the upstream with a key, or learns a thing
# of an answer, in whatever way it has its browser ask.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;

use Katalo::Browser;
use Katalo::Browser::Attempts qw(LOG PAGE);
use Katalo::Test qw(:all);
use Katalo::Upstream qw(expects_auth);

my $key = new_key('prod1');
my $up = Katalo::Upstream->new(keys => [$key]);
my $gateway = Katalo::Test->new(
    upstream => $up, keys => { production => $key }, http => LOG . <<"EOC")
    katalo_key production file:%KEY:production%;
    upstream app.katalo.ai { server 127.0.0.1:%UPSTREAM_PORT%; keepalive 8; }
    proxy_ssl_trusted_certificate %CA%;
    ssl_certificate %CERT%;
    ssl_certificate_key %CERT_KEY%;
    server {
        listen 127.0.0.1:%PORT%;
        listen 127.0.0.1:%TLS_PORT% ssl http2;
        listen 127.0.0.1:%TLS_PORT2% ssl;

        location /katalo/ {
            katalo_bearer production;
            proxy_pass https://app.katalo.ai/api/v1/;
        }
        location /allow/ {
            katalo_bearer production;
            katalo_browser allow;
            katalo_preflight pass;
            proxy_pass https://app.katalo.ai/api/v1/;
        }
        location /open/ { proxy_pass https://app.katalo.ai/api/v1/; }
        location = /status { katalo_status json; }
        @{[ PAGE ]}
    }
EOC
    ->start;

my ($http, $http2, $tls) = ($gateway->port, $gateway->tls_port,
                            $gateway->tls_port(2));
my $browser = Katalo::Browser->new;

# from where, to where, what Sec-Fetch-Site and the log's protocol must be; and
# what the browser itself prevents
my @cases = (
    ['HTTP/2', "https://shop.example:$http2", "https://localhost:$http2",
     'cross-site', 'HTTP/2.0'],
    ['HTTP/1.1 over TLS', "https://shop.example:$http2",
     "https://gateway.example:$tls", 'cross-site', 'HTTP/1.1'],
    ['another port of the same host', "https://localhost:$tls",
     "https://localhost:$http2", 'same-site', 'HTTP/2.0'],
    ['plain HTTP on localhost', "http://shop.example:$http",
     "http://localhost:$http", 'cross-site', 'HTTP/1.1'],
    ['a secure page, and plain HTTP on localhost',
     "https://shop.example:$http2", "http://localhost:$http", 'cross-site',
     'HTTP/1.1', 'image, redirected']);

my @open = ('XHR', 'fetch GET', 'fetch JSON', 'fetch POST',
            'fetch POST, redirected', 'fetch keepalive',
            'fetch of a service worker', 'fetch of a worker',
            'fetch with Authorization', 'fetch with credentials');


sub try {
    my ($from, $to, $location, @withheld) = @_;

    return Katalo::Browser::Attempts->new(
        browser => $browser, gateway => $gateway, upstream => $up,
        from => $from, to => "$to/$location/x-echo", withheld => \@withheld);
}


# Of all runs, as the status counts them, and as the log has them.
sub counted { return $gateway->status->{keys}[0]{denied}{ $_[0] } // 0 }

sub refused {
    my ($reason) = @_;

    return scalar(() = $gateway->access_log =~ /"decision":"$reason"/g);
}


for (@cases) {
    my ($name, $from, $to, $site, $protocol, @withheld) = @$_;
    my $run = try($from, $to, 'katalo', @withheld);
    my @lines = $run->logged;

    is_deeply([map { "$_->{attempt}: $_->{status} $_->{decision}" }
               grep { $_->{status} != 403
                      || $_->{decision} !~ /^(?:preflight|browser)$/ } @lines],
              [], "$name: each of " . $run->names . ' ways is refused');
    is(scalar $run->received, 0, "$name: nothing reaches the upstream");
    is_deeply([map { "$_: " . $run->learned($_) }
               grep { $run->learned($_) ne 'nothing' } $run->names], [],
              "$name: the page learns nothing");
    is_deeply([$run->timings], [], "$name: nor do timings tell it");

    for my $reason (qw(preflight browser)) {
        cmp_ok(scalar(grep { $_->{decision} eq $reason } @lines), '>', 0,
               "$name: some are refused as $reason");
        wait_until(sub { counted($reason) == refused($reason) });
        is(counted($reason), refused($reason), "$name: and counted so");
    }

    # a WebSocket has no Sec-Fetch-*, and HTTP/1.1 for itself
    my @others = grep { $_->{attempt} ne 'WebSocket' } @lines;
    is_deeply([grep { $_->{protocol} ne $protocol } @others], [],
              "$name: it was $protocol");
    is_deeply([map { $_->{attempt} }
               grep { $_->{site} ne $site
                      && $_->{attempt} ne 'address bar'
                      && $_->{attempt} ne 'fetch of a sandboxed frame' }
                    @others], [], "$name: it was $site");

    my $control = try($from, $to, 'allow', @withheld);
    is_deeply([grep { !$control->arrived($_) } $control->names], [],
              "$name: where browsers are allowed, each reaches it");
    is_deeply([grep { join('', $up->auth($_)) ne expects_auth($key) }
                    $control->received], [], "$name: with the key");
    is_deeply([grep { $control->learned($_) ne 'nothing' } $control->names],
              ['object', 'prefetch'],
              "$name: the page sees that two of them are answered");
    is_deeply([$control->timings], [], "$name: not even how long an answer is");
}

my $open = try(@{ $cases[0] }[1, 2], 'open');
is_deeply([grep { $open->learned($_) =~ /^read 200 .*"n"/ } $open->names],
          \@open, 'without a key, CORS lets the page read what it can');
cmp_ok(scalar $open->timings, '>', 0, 'and timings tell of the rest');

done_testing();
