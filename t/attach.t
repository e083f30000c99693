#!/usr/bin/perl

# Exactly one Authorization line reaches the upstream, byte for byte the key's,
# for every kind of request body and every protocol of a client.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Digest::SHA qw(sha256_hex);

use Katalo::Test qw(:all);
use Katalo::Upstream qw(expects_auth);

my $http3 = has_feature('v3') && curl_has('HTTP3');
my @protocols = ('1.0', '1.1', has_feature('v2') && curl_has('HTTP2') ? 2 : (),
                 $http3 ? 3 : ());
my %protocol_option = (2 => '--http2', 3 => '--http3-only');

my $form = join "\r\n", '--B', 'Content-Disposition: form-data; name="file";'
                                . ' filename="a.png"',
                'Content-Type: image/png', '', "\0\r\n\r\nAuthorization: no",
                '--B--', '';

# what is sent: the method, the body, how it is framed
my %kind = (
    none => ['GET'], length => ['POST', "a\r\n\r\nb"],
    empty => ['POST', ''], chunked => ['POST', "c\r\n\r\n0", 'chunked'],
    multipart => ['POST', $form], large => ['PUT', 'k' x 2_000_000],
    'large chunked' => ['PUT', 'k' x 2_000_000, 'chunked']);

my %directives = (
    katalo => '',
    unbuffered => 'proxy_request_buffering off;',
    bare => 'proxy_pass_request_headers off;',
    body => 'proxy_set_body fixed;',
    'http-1.0' => 'proxy_http_version 1.0;',
    closing => 'proxy_set_header Connection close;');

my $key = new_key('prod1');
my $up = Katalo::Upstream->new(keys => [$key]);
my $other = Katalo::Upstream->new(keys => [$key]);
my $gateway = Katalo::Test->new(
    upstream => $up, keys => { production => $key },
    vars => { OTHER_PORT => $other->port }, http => <<"EOC")->start;
    katalo_key production file:%KEY:production%;
    upstream app.katalo.ai { server 127.0.0.1:%UPSTREAM_PORT%; keepalive 8; }
    upstream two.katalo.ai {
        server 127.0.0.1:%UPSTREAM_PORT% max_fails=0;
        server 127.0.0.1:%OTHER_PORT% max_fails=0;
    }
    proxy_ssl_trusted_certificate %CA%;
    proxy_set_header Connection "";
    client_max_body_size 8m;

    server {
        listen 127.0.0.1:%PORT%;
        listen 127.0.0.1:%TLS_PORT% ssl http2;
        @{[ $http3 ? 'listen 127.0.0.1:%TLS_PORT% quic;' : '' ]}
        ssl_certificate %CERT%;
        ssl_certificate_key %CERT_KEY%;

        katalo_bearer production;

@{[ map { "location /$_/ { $directives{$_}"
          . " proxy_pass https://app.katalo.ai/api/v1/; }\n" }
        sort keys %directives ]}
        location /retry/ {
            proxy_next_upstream error timeout http_503 non_idempotent;
            proxy_pass https://two.katalo.ai/api/v1/;
        }
    }
EOC

my $serial = 0;


# the status and the version of the answer
sub call {
    my ($protocol, $path, $kind) = @_;
    my ($method, $body, $chunked) = @{ $kind{$kind} };
    my @headers = ('Authorization: Basic Y2xpZW50OmNsaWVudA==',
                   $body ? 'Content-Type: multipart/form-data; boundary=B'
                         : ());

    if ($protocol =~ /\./) {
        my $response = $gateway->request(
            $method, $path, http => $protocol, headers => \@headers,
            $chunked ? (chunked => [unpack '(a65536)*', $body])
                     : (body => $body));
        return join ' ', $response->status, $response->version;
    }

    my $file = $gateway->write_file('body' . ++$serial, $body // '');
    my $response = curl(
        $protocol_option{$protocol}, '-X', $method, '-H', 'Expect:',
        (map { ('-H', $_) } @headers),
        $chunked ? ('-H', 'Transfer-Encoding: chunked') : (),
        defined $body ? ('--data-binary', "\@$file") : (),
        $gateway->tls_url($path));

    return join ' ', $response->status, $response->version;
}


# Every line that has to do with it, as it came.
sub auth_lines {
    my ($record) = @_;

    return grep { /authorization/i } split /\r\n/, $record->{head};
}


sub carries_key {
    my ($record, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    return is_deeply([auth_lines($record)],
                     ['Authorization: ' . expects_auth($key)],
                     "$name: the key, once");
}


diag('HTTP/3 is not tried: nginx or curl has none') if !$http3;

for my $protocol (@protocols) {
    my $answer = '200 ' . ($protocol eq '1.0' ? '1.1' : $protocol);

    for my $location (sort keys %directives) {
        for my $kind (sort keys %kind) {
            next if $kind{$kind}[2] && $protocol eq '1.0';

            my $name = "HTTP/$protocol, /$location/, body $kind";
            my $sent = $location eq 'body' ? 'fixed' : $kind{$kind}[1] // '';

            $up->clear;
            is(call($protocol, "/$location/x-echo", $kind), $answer,
               "$name: answered");

            my ($record, @more) = $up->received(1);
            is(scalar @more, 0, "$name: one request");
            carries_key($record, $name);
            is($record->{body_sha256}, sha256_hex($sent), "$name: the body");
        }
    }
}

like($gateway->error_log, qr/body is buffered to a temporary file/,
     'a large body was on disk');

$up->clear;
call('1.1', '/unbuffered/x-echo', 'large chunked');
ok(($up->received(1))[0]{chunked}, 'a chunked body went up as it came');

$up->clear;
call('1.1', '/http-1.0/x-echo', 'length');
is(($up->received(1))[0]{version}, 'HTTP/1.0', 'HTTP/1.0 went up as HTTP/1.0');

for my $location (qw(katalo closing)) {
    $up->clear;
    call('1.1', "/$location/x-echo", 'none') for 1 .. 3;

    my %connection = map { $_->{connection} => 1 } $up->received(3);
    is(scalar keys %connection, $location eq 'katalo' ? 1 : 3,
       "/$location/: connections for three requests");
    carries_key($_, "/$location/, again") for $up->received(3);
}

for my $method (qw(HEAD DELETE PATCH OPTIONS PROPFIND)) {
    $up->clear;
    $gateway->request($method, '/katalo/x-echo');
    carries_key(($up->received(1))[0], $method);
}

for my $kind (sort keys %kind) {
    $_->clear for $up, $other;
    is(call('1.1', '/retry/x-status/503', $kind), '503 1.1',
       "a retry, body $kind: both peers refused");
    carries_key(($_->received(1))[0], "a retry, body $kind")
        for $up, $other;
}

$_->clear for $up, $other;
is(call('1.1', '/retry/x-reset', 'length'), '502 1.1',
   'a retry after a reset: both peers broke');
carries_key(($_->received(1))[0], 'a retry after a reset') for $up, $other;

lacks_secrets($gateway->error_log, 'the error log holds no key');

done_testing();
