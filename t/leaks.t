#!/usr/bin/perl

# The key goes to Katalo and nowhere else: not to another upstream, not to the
# client, not into a log, a cache or a temporary file, on whatever way nginx
# takes a request further.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use File::Find qw(find);

use Katalo::Test qw(:all);
use Katalo::Test::Memory qw(LARGEST);
use Katalo::Upstream qw(expects_auth expects_value);

# what a configuration can put into a log, a header or a page
my @variables = map { "\$$_" } qw(
    args arg_token binary_remote_addr body_bytes_sent bytes_sent connection
    connection_requests content_length content_type cookie_a document_root
    document_uri host hostname http_authorization http_cookie
    http_proxy_authorization http_x_token is_args katalo_decision katalo_key
    katalo_key_id katalo_operation katalo_requests limit_rate msec
    nginx_version pid pipe proxy_add_x_forwarded_for proxy_host
    proxy_protocol_addr query_string realpath_root remote_addr remote_user
    request request_body request_body_file request_completion
    request_filename request_id request_length request_method request_time
    request_uri scheme sent_http_authorization sent_http_content_type
    sent_http_x_all server_addr server_name server_port server_protocol
    status time_iso8601 upstream_addr upstream_cache_status
    upstream_connect_time upstream_cookie_a upstream_http_authorization
    upstream_http_content_type upstream_response_length upstream_status
    upstream_trailer_authorization uri);

my $key = new_key('prod1');
my $up = Katalo::Upstream->new(keys => [$key]);
my $stranger = Katalo::Upstream->new(certificate => 'untrusted');
my $gateway = Katalo::Test->new(
    upstream => $up, keys => { production => $key },
    vars => { STRANGER => 'http://127.0.0.1:' . $stranger->plain_port,
              STRANGER_PORT => $stranger->port,
              ALL => join ' ', @variables }, http => <<'EOC')->start;
    katalo_key production file:%KEY:production%;
    upstream app.katalo.ai    { server 127.0.0.1:%UPSTREAM_PORT%; }
    upstream none.katalo.ai   { server unix:%PREFIX%/none; }
    upstream closed.katalo.ai { server 127.0.0.1:%PORT9%; }
    upstream false.katalo.ai  { server 127.0.0.1:%STRANGER_PORT%; }
    proxy_ssl_trusted_certificate %CA%;
    proxy_cache_path %PREFIX%/cache keys_zone=answers:1m;

    log_format all escape=none '%ALL%';
    access_log %PREFIX%/logs/access.log all;
    add_header X-All "%ALL%" always;

    server {
        listen 127.0.0.1:%PORT%;
        root %PREFIX%/html;
        katalo_bearer production;
        proxy_intercept_errors on;
        error_page 418 502 = @stranger;

        location /katalo/ { proxy_pass https://app.katalo.ai/; }
        location /none/   { proxy_pass https://none.katalo.ai/; }
        location /closed/ { proxy_pass https://closed.katalo.ai/; }
        location /false/  { proxy_pass https://false.katalo.ai/; }

        location @stranger  { katalo_bearer off; proxy_pass %STRANGER%; }
        location /stranger/ { katalo_bearer off; proxy_pass %STRANGER%/; }
        location = /other   { katalo_bearer off;
                              proxy_pass %STRANGER%/x-status/204; }

        location /mirror/ {
            mirror /other;
            proxy_pass https://app.katalo.ai/;
        }
        location /auth/ {
            auth_request /other;
            auth_request_set $all "$http_authorization$upstream_addr";
            add_header X-Auth $all;
            proxy_pass https://app.katalo.ai/;
        }
        location /asked/ {
            katalo_bearer off;
            auth_request /katalo/x-status/200;
            auth_request_set $all "$http_authorization$upstream_addr";
            add_header X-Auth $all;
            proxy_pass %STRANGER%/;
        }
        location /ssi/ {
            ssi on;
            ssi_types application/json;
            proxy_pass https://app.katalo.ai/;
        }
        location /page { katalo_bearer off; ssi on; }

        location /cached/ {
            proxy_cache answers;
            proxy_cache_valid 1s;
            proxy_ignore_headers Cache-Control;
            proxy_cache_use_stale updating error;
            proxy_cache_background_update on;
            proxy_pass https://app.katalo.ai/;
        }
        location /spooled/ {
            client_body_in_file_only on;
            proxy_temp_file_write_size 8k;
            proxy_buffers 2 4k;
            proxy_buffer_size 4k;
            proxy_busy_buffers_size 4k;
            proxy_pass https://app.katalo.ai/;
        }
        location /return/ { katalo_bearer off; return 200 "%ALL%"; }
    }
EOC

my $client = 'Basic Y2xpZW50OmNsaWVudA==';
my %who = (expects_auth($key) => 'key', expects_value($client) => 'client');

sub ssi { return join '', map { "<!--# $_ -->" } @_ }
my @pieces = ("include virtual='/stranger/x-echo' wait='yes'",
              map { "echo var='" . substr($_, 1) . "' default='none'" }
                  @variables);

# The hidden variable has a name, but whoever knew it would not get further.
my $hidden = hidden_variable($gateway->worker_pids);


sub hidden_variable {
    my ($pid) = @_;

    open my $maps, '<', "/proc/$pid/maps" or return;
    open my $memory, '<:raw', "/proc/$pid/mem" or return;

    for my $line (grep { /^\S+ rw/ } <$maps>) {
        no warnings qw(portable);
        my ($from, $to) = map { hex } $line =~ /^(\w+)-(\w+)/;
        next if $to - $from > LARGEST;
        sysseek $memory, $from, 0 or next;
        sysread $memory, my $bytes, $to - $from;
        return $1 if ($bytes // '') =~ /\$(katalo_[0-9a-f]{32})\b/;
    }

    return;
}


# who sent what to whom, in order of arrival
sub arrived {
    my ($name, $upstream) = @_;

    return map { my ($auth) = $upstream->auth($_);
                 $name . ': ' . ($who{$auth // ''} // 'unknown') }
               $upstream->received;
}


sub goes {
    my ($name, $expected, $method, $path, %option) = @_;
    my $count = 1 + ($expected =~ tr/,//);

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    $_->clear for $up, $stranger;
    my $response = $gateway->request(
        $method, $path, %option,
        headers => ["Authorization: $client", 'Cookie: a=b',
                    @{ $option{headers} // [] }]);
    wait_until(sub { $up->received + $stranger->received >= $count });

    is(join(', ', arrived(katalo => $up), arrived(stranger => $stranger)),
       $expected, $name);
    lacks_secrets($response->raw, "$name: the client gets no key");

    return $response;
}


goes('an answer', 'katalo: key', 'GET', '/katalo/x-echo');
goes('an error', 'katalo: key', 'GET', '/katalo/x-status/503');
goes('a broken answer', 'katalo: key', 'GET', '/katalo/x-partial');
goes('a mirror', 'katalo: key, stranger: client', 'POST', '/mirror/x-echo',
     body => 'k' x 100_000);
goes('auth_request', 'katalo: key, stranger: client', 'GET', '/auth/x-echo');
goes('auth_request with the key', 'katalo: key, stranger: client', 'GET',
     '/asked/x-echo');

goes('an intercepted error', 'katalo: key, stranger: client', 'GET',
     '/katalo/x-status/418');
goes('a reset', 'katalo: key, stranger: client', 'POST',
     '/katalo/x-reset?x-echo', body => 'k' x 100_000);
goes("no $_->[0]", 'stranger: client', 'GET', "/$_->[1]/x-echo")
    for ['socket', 'none'], ['listener', 'closed'], ['trust', 'false'];

goes('X-Accel-Redirect', 'katalo: key, stranger: client', 'GET',
     '/katalo/x-redirect?accel=/stranger/x-echo');
goes('X-Accel-Redirect to the key', 'katalo: key, stranger: client', 'GET',
     '/stranger/x-redirect?accel=/katalo/x-echo');

my $response = goes('SSI in an answer',
                    'katalo: key, stranger: client, stranger: client',
                    'GET', '/ssi/x-echo',
                    headers => ['X-Text: ' . ssi(@pieces)]);
like($response->body, qr/"n": 1\d*,.*"n": /s, 'both answers are in it');
like($response->body, qr/\Q$client\E/, 'and the variables');

$gateway->write_file('html/page.html',
                     ssi("include virtual='/katalo/x-echo'", @pieces));
$response = goes('SSI in a page', 'katalo: key, stranger: client', 'GET',
                 '/page.html');
like($response->body, qr/\Q$client\E/, 'the variables are in it');

SKIP: {
    skip 'the memory of a worker cannot be read', 4 if !$hidden;

    $gateway->write_file('html/page-hidden.html', 'it is '
                         . ssi("echo var='$hidden' default='none'"));
    $response = $gateway->request('GET', '/page-hidden.html');
    is($response->body, 'it is none', 'SSI does not know the hidden variable');

    $response = goes('SSI in an answer asks for the hidden variable',
                     'katalo: key', 'GET', '/ssi/x-echo',
                     headers => ['X-Text: ' . ssi("echo var='$hidden'")]);

    my $http = 'server { listen 127.0.0.1:%PORT%; return 200 "$' . $hidden
               . '"; }';
    like(($gateway->test_config(
              "katalo_key production file:%KEY:production%; $http"))[1],
         qr/unknown "$hidden" variable/, 'nor does a configuration');
}

my %seen;


# Whether the answer to this was a fresh one of the cache, or another.
sub cached {
    my ($target) = @_;

    $response = $gateway->request('GET', $target);

    my ($kind) = ($response->header('X-All') // '')
                 =~ /\b(HIT|STALE|UPDATING)\b/;

    lacks_secrets($response->raw, 'an answer from the cache: no key')
        if !$seen{$kind // 'other'}++;

    return $kind // 'other';
}


my $minute = '/cached/x-size/11/x-header/X-Accel-Expires:60';
goes('a miss', 'katalo: key', 'GET', $minute);
is(cached($minute), 'HIT', 'an answer from the cache');

goes('another miss', 'katalo: key', 'GET', '/cached/x-size/10');
wait_until(sub { cached('/cached/x-size/10'); return $seen{STALE} });
wait_until(sub { $up->received >= 2 });
ok($seen{STALE}, 'one was stale');
is(join(', ', arrived(katalo => $up)), 'katalo: key, katalo: key',
   'the cache was updated with the key');

goes('bodies on disk', 'katalo: key', 'PUT', '/spooled/x-size/300000',
     body => 'k' x 200_000);

$response = $gateway->request('GET', '/return/',
                              headers => ["Authorization: $client"]);
like($response->body, qr/\Q$client\E/, 'return shows variables');
lacks_secrets($response->raw, 'return shows no key');

lacks_secrets($gateway->dump_config, 'nginx -T shows no key');
like($gateway->access_log, qr/\Q$client\E.* attached production prod1 /,
     'all variables were logged');

my @files;
find(sub { push @files, $File::Find::name if -f }, $gateway->prefix);
my $keys = $gateway->prefix . '/keys/';
lacks_secrets($_->[1], "no key in $_->[0]")
    for map { my $name = substr $_, 1 + length $gateway->prefix;
              [$name =~ s/\d{5,}|[0-9a-f]{32}/N/r, $gateway->read_file($name)] }
        grep { index $_, $keys } sort @files;

done_testing();
