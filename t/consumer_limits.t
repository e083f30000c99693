#!/usr/bin/perl

# docs/consumers.md: several ways to prove a name, and limits for each
# consumer; what a key of limit_req may be, and what it may not.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Digest::MD5 qw(md5);
use MIME::Base64 qw(encode_base64 encode_base64url);

use Katalo::Test qw(:all);
use Katalo::Test::Authorizer;
use Katalo::Test::Recipe qw(recipe localize);
use Katalo::Upstream;

my $page = 'docs/consumers.md';
my $key = new_key('prod1');
my $up = Katalo::Upstream->new(keys => [$key]);
my $service = Katalo::Test::Authorizer->new;
my ($authorize) = recipe($page, 'nginx server', qr/location = .authorize/)
                  =~ /^(location = .*)/ms;
my $gateway;


sub gateway {
    my ($recipe, $tokens) = @_;
    my $http = localize($recipe) =~ s/127\.0\.0\.1:9000/
                                      '127.0.0.1:' . $service->port/er;

    $gateway = Katalo::Test->new(
        upstream => $up, keys => { production => $key }, http => <<"EOC");
        log_format consumer '\$katalo_consumer';
        access_log %PREFIX%/logs/access.log consumer;
        set_real_ip_from 127.0.0.1;
        real_ip_header X-Real-IP;
        katalo_key production file:%KEY:production%;
        %UPSTREAM%
        $http
EOC
    $gateway->write_file('conf/katalo.passwd', "shop:{PLAIN}good\n");
    $gateway->write_file('conf/katalo-tokens.conf', $tokens // '');
    $gateway->start;

    return;
}


# a recipe of http{} with this in its last server
sub adds {
    my ($recipe, $text) = @_;

    return $recipe =~ s/\}\s*\z/$text\n}\n/r;
}


# the status of each of $n requests with these headers
sub statuses {
    my ($n, $headers, %option) = @_;
    my $path = delete $option{path} // '/katalo/usage/summary';
    my $client = $gateway->connection(
        port => $gateway->port($option{tls} ? 8443 : 8080), %option);

    return join ' ', map {
        $client->request('GET', $path, headers => $headers)->status
    } 1 .. $n;
}


# the status of a request, and its consumer
sub asks {
    my ($headers, %option) = @_;
    my $lines = () = $gateway->access_log =~ /\n/g;
    my $status = statuses(1, $headers, %option);

    wait_until(sub { $lines < (() = $gateway->access_log =~ /\n/g) });

    my ($consumer) = $gateway->access_log =~ /(.*)\n\z/;

    return "$status $consumer";
}


sub token_of { return 'Authorization: Bearer ' . $service->token(sub => $_[0]) }
sub password { return "Authorization: Basic " . encode_base64($_[0], '') }


# certificate or token

SKIP: {
    skip 'nginx has no secure_link module', 3
        if !has_feature('http_secure_link_module');

    my $tokens = recipe($page, 'nginx http', qr/secure_link_md5/);
    my ($maps) = $tokens =~ /^(.*?)(?=^server)/ms;
    my @verify = $tokens =~ /^( +secure_link.*)$/mg;
    my $secret = 'shop.' . '0123456789abcdef' x 4;

    gateway($maps . adds(
        recipe($page, 'nginx http', qr/certificate_name/)
            =~ s/(ssl_verify_client +)on/${1}optional/r
            =~ s/(katalo_consumer .*);/$1 \$token_name;/r
            =~ s/\[\\w\.-\]/[\\w. -]/r, "@verify"),
        "shop " . encode_base64url(md5("Bearer $secret")) . ";\n");

    is(asks([], tls => 1, certificate => 'client'), '200 katalo test client',
       'a certificate is one of two ways');
    is(asks(["Authorization: Bearer $secret"], tls => 1), '200 shop',
       'a token the other one');
    is(asks([], tls => 1), '403 -', 'without any, nobody gets in');
    $gateway->quit;
}


# network or service

gateway(adds(recipe($page, 'nginx http', qr/satisfy/), $authorize));

is(asks(['X-Real-IP: 10.1.2.3']), '200 office', 'a network has a name');
is(asks(['X-Real-IP: 10.2.2.3', token_of('shop')]), '200 shop',
   'from elsewhere, the service gives one');
is(asks(['X-Real-IP: 10.2.2.3']), '401 -', 'or nobody does');
$gateway->quit;


# limits by a name that auth_request proves

my $limits = recipe($page, 'nginx http', qr/try_files/)
             =~ s/rate=\d+/rate=1/r =~ s/burst=\d+/burst=2 nodelay/r;

gateway(adds($limits, $authorize));
$up->clear;

is(statuses(4, [token_of('shop')]), '200 200 200 429', 'a consumer is limited');
is(statuses(4, [token_of('catalogue')]), '200 200 200 429',
   'another one has a limit of its own');
is(statuses(4, []), '401 401 401 401', 'who has no name has no limit');
is(asks([token_of('')]), '403 -', 'and does not get in');

my @sent = $up->received;
is(join(' ', map { $_->{target} } @sent),
   join(' ', ('/api/v1/usage/summary') x 6), 'the paths are right');

my $answer = $gateway->connection(port => $gateway->port(8080))
                     ->request('GET', '/katalo/usage/summary?a=b',
                               headers => [token_of('other')]);
my ($request) = $up->received(7) ? ($up->received)[-1] : ();
is($request->{target}, '/api/v1/usage/summary?a=b', 'with arguments');
$gateway->quit;


# what the key of a limit may be

sub limited_by {
    my ($variable, @lines) = @_;

    gateway(<<"EOC");
        limit_req_zone $variable zone=one:64k rate=1r/m;
        server {
            listen  127.0.0.1:8080;
            location /katalo/ {
                limit_req zone=one;
                limit_req_status 429;
                katalo_bearer production;
                proxy_pass https://app.katalo.ai/api/v1/;
                @lines
            }
            $authorize
        }
EOC

    return;
}

my @basic = ('auth_basic gateway; auth_basic_user_file katalo.passwd;',
             'katalo_consumer $remote_user;');
my @service = ('auth_request /authorize;',
               'auth_request_set $service_name $upstream_http_x_consumer;',
               'katalo_consumer $service_name;');

limited_by('$remote_user', @basic);
is(statuses(1, [password('shop:guess')]), '401', 'a wrong password');
is(statuses(1, [password('shop:good')]), '429',
   'uses the allowance of the name that it comes with');
$gateway->quit;

limited_by('$katalo_consumer', @basic);
is(statuses(3, [password('shop:good')]), '200 200 200',
   '$katalo_consumer is empty for limit_req, and limits nothing');
$gateway->quit;

limited_by('$service_name', @service);
is(statuses(3, [token_of('shop')]), '200 200 200',
   'so are variables of auth_request_set');
$gateway->quit;

limited_by('$katalo_key', @service);
is(statuses(2, [token_of('shop')]), '200 429', '$katalo_key is not empty');

lacks_secrets($gateway->error_log, 'the error log shows no key');

done_testing();
