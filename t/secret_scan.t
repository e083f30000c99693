#!/usr/bin/perl

# The whole life of a key, and every way of a request, with all that nginx can
# log: then the secret is looked for wherever it could have been left.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use File::Temp;
use Test::More;
use Time::HiRes qw(sleep);

use Katalo::Test qw(:all);
use Katalo::Test::Process qw(children);
use Katalo::Test::Scan;
use Katalo::Upstream;

plan skip_all => 'needs root, to dump the memory of other processes'
    if $> != 0;
plan skip_all => 'needs an nginx with --with-debug' if !has_feature('debug');

my @keys = map { new_key("id$_") } 0 .. 3;
my $up = Katalo::Upstream->new;
my $other = Katalo::Upstream->new;
my $cores = File::Temp->newdir('katalo-cores-XXXXXX', TMPDIR => 1);

my $http2 = has_feature('v2') && curl_has('HTTP2');

my $frame = <<'EOC';
    upstream app.katalo.ai { server 127.0.0.1:%UPSTREAM_PORT%; keepalive 4; }
    upstream two.katalo.ai { server 127.0.0.1:%UPSTREAM_PORT% max_fails=0;
                             server 127.0.0.1:%OTHER_PORT% max_fails=0; }
    upstream gone.katalo.ai { server 127.0.0.1:%UPSTREAM_PORT% max_fails=0;
                              server 127.0.0.1:%PORT2% backup max_fails=0; }
    proxy_cache_path %PREFIX%/cache keys_zone=cache:1m;
    proxy_ssl_trusted_certificate %CA%;
    proxy_set_header Connection "";
    proxy_read_timeout 500ms;
    log_format all '$request $status $http_authorization $katalo_key '
                   '$katalo_key_id $katalo_decision $katalo_requests '
                   '$upstream_addr $request_body $sent_http_x_echo';
    access_log %PREFIX%/logs/access.log all;
EOC

my $gateway = Katalo::Test->new(
    upstream => $up, workers => 2, debug => 1,
    keys => { production => $keys[0] },
    vars => { OTHER_PORT => $other->port,
              HTTP2 => $http2 ? 'http2' : '' },
    http => "access_log off; $frame" . <<'EOC');
    katalo_key production file:%KEY:production% check=100ms;
    add_header X-Echo $http_authorization$katalo_key$katalo_key_id always;

    server {
        listen 127.0.0.1:%PORT%;
        listen 127.0.0.1:%TLS_PORT% ssl %HTTP2%;
        ssl_certificate %CERT%;
        ssl_certificate_key %CERT_KEY%;
        root %PREFIX%/html;

        location = /status { katalo_status; }
        location /files/ { internal; }
        location /ssi/ { ssi on; }
        location /aside/ { proxy_pass http://127.0.0.1:%UPSTREAM_PLAIN_PORT%; }

        location / {
            katalo_bearer production;
            proxy_next_upstream error timeout http_503 non_idempotent;
            location /katalo/ { proxy_pass https://app.katalo.ai/api/v1/; }
            location /retry/ { proxy_pass https://two.katalo.ai/api/v1/; }
            location /gone/ { proxy_pass https://gone.katalo.ai/api/v1/; }
            location /once/ { proxy_pass https://app.katalo.ai/api/v1/;
                              proxy_request_buffering off; }
            location /small/ { proxy_pass https://app.katalo.ai/api/v1/;
                               client_body_buffer_size 1k;
                               proxy_buffers 2 4k; proxy_buffer_size 4k;
                               proxy_busy_buffers_size 4k; }
            location /cached/ {
                proxy_pass https://app.katalo.ai/api/v1/;
                proxy_cache cache;
                proxy_cache_valid 200 1s;
                proxy_cache_use_stale updating error timeout http_503;
                proxy_cache_background_update on;
                proxy_ignore_headers Cache-Control;
            }
            location /mirrored/ { mirror /copy/usage/summary;
                                  proxy_pass https://app.katalo.ai/api/v1/; }
            location /copy/ { proxy_pass https://app.katalo.ai/api/v1/; }
            location /asked/ { auth_request /copy/usage/summary;
                               proxy_pass https://app.katalo.ai/api/v1/; }
            location /fallback/ { error_page 502 503 504 = /aside/x-echo;
                                  proxy_intercept_errors on;
                                  proxy_pass https://app.katalo.ai/api/v1/; }
            location /untrusted/ {
                proxy_ssl_trusted_certificate %OTHER_CA%;
                proxy_pass https://two.katalo.ai/api/v1/;
            }
        }
    }
EOC

$gateway->write_file('html/ssi/page.html', '<!--#include virtual="'
    . '/katalo/x-echo" --><!--#include virtual="/retry/x-status/503" -->')
    if mkdir $gateway->prefix . '/html/ssi';
mkdir $gateway->prefix . '/html/files';
$gateway->write_file('html/files/output', 'x' x 100_000);
$gateway->start;

my $received = '';
my $answers = 0;


sub ask {
    my ($method, $target, %option) = @_;
    my $response = $gateway->request($method, $target, %option);

    $answers++ if $response->status;
    $received .= $response->raw;

    return $response;
}


# one that does not wait for the answer
sub abort {
    my ($target) = @_;
    my $client = $gateway->connection;

    $client->write("GET $target HTTP/1.1\r\nHost: a\r\n\r\n");
    sleep 0.1;

    return $client->close;
}


sub every_way {
    my $body = new_secret(300_000);

    ask(GET => $_) for
        qw(/katalo/usage/summary /katalo/x-echo /katalo/nothing
           /retry/x-status/503 /retry/x-reset /retry/x-close /retry/x-hang
           /katalo/x-reset /katalo/x-hang /katalo/x-garbage /katalo/x-partial
           /katalo/x-partial?x-partial=reset /katalo/x-status/401
           /untrusted/usage/summary /fallback/x-status/503
           /fallback/x-hang /fallback/x-reset /mirrored/x-echo /asked/x-echo
           /katalo/x-redirect?accel=/files/output
           /katalo/x-redirect?accel=/aside/x-echo
           /katalo/x-redirect?accel=/retry/x-echo
           /ssi/page.html /katalo/x-size=300000 /small/x-size/300000),
        '/katalo/x-echo?' . 'long=' . 'x' x 7000;
    ask(GET => '/cached/usage/summary') for 1 .. 2;
    sleep 1.5;                                  # until it is out of date
    ask(GET => '/cached/usage/summary') for 1 .. 2;
    ask(GET => '/cached/x-size/5000');

    for my $place (qw(katalo retry once small)) {
        ask(POST => "/$place/x-echo", body => $body);
        ask(POST => "/$place/x-echo", chunked => [$body, 'end']);
        ask(POST => "/$place/x-status/503", body => 'abc');
        ask(POST => "/$place/x-reset", body => $body);
        ask(POST => "/$place/x-early", body => $body);
    }

    ask(GET => '/katalo/x-echo',
        headers => ['Authorization: Bearer ' . new_key('foreign')]);
    ask(OPTIONS => '/katalo/x-echo', headers => ['Origin: null']);
    ask(GET => '/katalo/x-echo', headers => ["X-$_: " . 'h' x 5000])
        for 1 .. 4;

    abort('/katalo/x-hang');
    abort('/katalo/x-size/30000000');

    ask(GET => "/gone/x-$_") for qw(close reset status/503);

    $received .= curl($http2 ? '--http2' : '--http1.1', '-d', 'a=b',
                      $gateway->tls_url('/katalo/x-echo'))->raw for 1 .. 3;

    return;
}


sub change {
    my ($content, $line) = @_;

    $gateway->mark_log;
    $gateway->set_key(production => $content);
    return $gateway->wait_for_log(qr/\[(?:notice|warn|error)\][^\n]*$line/)
           || die "no $line in the log\n";
}


every_way();
change($keys[1], 'to "id1"');
every_way();
change('', 'is revoked');
ask(GET => '/katalo/usage/summary');
change("kat_live_broken\n", 'holds no key');
change($keys[2], 'to "id2"');
every_way();
$gateway->set_key(production => $keys[3]);
ok($gateway->reload(gone => 1), 'a reload');
every_way();
kill 'KILL', ($gateway->worker_pids)[0];
wait_until(sub { $gateway->worker_pids == 2 });
every_way();

$received .= $gateway->request('GET', "/status$_")->raw
    for '', map { "?format=$_" } qw(json prometheus html);

# workers that are idle: old ones are gone, as are requests

$gateway->settled_status;

my $scan = Katalo::Test::Scan->new(@keys);
$scan->directory($gateway->prefix, except => qr{^/keys/production$});
$scan->text('answers', $received);
$scan->text('nginx -T', $gateway->dump_config);
$scan->process('master', $gateway->master_pid, $cores);
$scan->process('child', $_, $cores) for children($gateway->master_pid);

cmp_ok($answers, '>', 200, 'there were many answers');
like($gateway->read_file('logs/error.log'), qr/\[debug\].*http upstream/,
     'the log has all that nginx can log');
cmp_ok($scan->looked, '>', 20, 'there were many places to look at');
is_deeply([$scan->places], [], 'the secret is nowhere beside the key file');
diag(sprintf 'looked at %d places, %.0f MB', $scan->looked,
     $scan->bytes / 1e6);

$gateway->quit;
$scan = Katalo::Test::Scan->new(@keys);
$scan->directory($gateway->prefix);
is_deeply([$scan->places], ['/keys/production (secret 3)'],
          'and the key file is found');

# the same secret, given to nginx in its own way; it waits for its answer

$frame =~ s/(proxy_read_timeout) \S+;/$1 1h;/;

my $planted = new_key('planted');
my $control = Katalo::Test->new(
    upstream => $up, debug => 1, vars => { OTHER_PORT => $other->port },
    http => "access_log off; $frame" . <<"EOC")->start;
    server {
        listen 127.0.0.1:%PORT%;
        location / { proxy_pass https://app.katalo.ai/api/v1/;
                     proxy_set_header Authorization "Bearer $planted"; }
    }
EOC

is($control->request('GET', '/usage/summary')->status, 200, 'a plain gateway');

$scan = Katalo::Test::Scan->new($planted);
$scan->directory($control->prefix);
$scan->text('nginx -T', $control->dump_config);
$scan->process('worker', $control->worker_pids, $cores);

my %place = map { s/ \(secret 0\)//r => 1 } $scan->places;
ok($place{$_}, "a planted secret is found in: $_")
    for '/conf/nginx.conf', '/logs/error.log', 'nginx -T',
        'worker: core dump';

done_testing();
