#!/usr/bin/perl

# What docs/consumers.md gives to be copied, with real certificates, passwords,
# tokens and a service: who proves a name uses the key by it, and nobody else
# does.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use MIME::Base64 qw(encode_base64);

use Katalo::Test qw(:all);
use Katalo::Test::Authorizer;
use Katalo::Test::Recipe qw(recipe localize);
use Katalo::Upstream;

my $page = 'docs/consumers.md';
my $key = new_key('prod1');
my $up = Katalo::Upstream->new(keys => [$key]);
my $service = Katalo::Test::Authorizer->new;
my $authorize = recipe($page, 'nginx server', qr/location = .authorize/);
my $gateway;


sub gateway {
    my ($recipe, $prepare) = @_;
    my $http = localize($recipe)
               =~ s/(?<=ssl_client_certificate  )%CA%/ca.pem/r
               =~ s/\/etc\/nginx\/katalo/katalo/r
               =~ s/127\.0\.0\.1:9000/'127.0.0.1:' . $service->port/er;

    $gateway = Katalo::Test->new(
        upstream => $up, keys => { production => $key }, http => <<"EOC");
        log_format consumer '\$katalo_consumer';
        access_log %PREFIX%/logs/access.log consumer;
        katalo_key production file:%KEY:production%;
        %UPSTREAM%
        $http
EOC
    $prepare->() if $prepare;
    $gateway->start;

    return;
}


sub server {
    return "server {\nlisten  127.0.0.1:8080;\n"
           . "include  snippets/katalo-errors.conf;\n$_[0]\n}\n";
}


# The output of a recipe's commands, run in the directory of nginx.conf.
sub shell {
    my ($commands) = @_;
    my $directory = $gateway->prefix . '/conf';
    my $output = `exec 2>/dev/null; set -e; cd $directory\n$commands`;

    die "failed: $commands\n" if $?;
    chomp $output;

    return $output;
}


# What a request gets: the status, "by" whose decision if it is not Katalo's,
# "as" which consumer if it was sent.
sub asks {
    my ($headers, %option) = @_;
    my $port = $gateway->port($option{tls} ? 8443 : 8080);
    my $lines = () = $gateway->access_log =~ /\n/g;

    $up->clear;

    my $answer = $gateway->connection(port => $port, %option)
                         ->request('GET', '/katalo/usage/summary',
                                   headers => ['Connection: close', @$headers]);

    wait_until(sub { $lines < (() = $gateway->access_log =~ /\n/g) });

    my ($consumer) = $gateway->access_log =~ /(.*)\n\z/;
    my $by = $answer->header('X-Katalo-Gateway');

    return join ' ', $answer->status, $by ? "by $by" : (),
                     $up->received ? "as $consumer" : ();
}


sub basic { return ['Authorization: Basic ' . encode_base64("@_", '')] }
sub bearer { return ["Authorization: Bearer $_[0]"] }


# certificates

my $commands = recipe($page, 'sh', qr/x509 -req/);
my ($ca, $issue) = $commands =~ /^(openssl req -x509.*?)(openssl req -new.*)/ms;

# with a second server of the same address, which asks for no certificate

my $certificates = recipe($page, 'nginx http', qr/certificate_name/);
my ($second) = $certificates =~ /^(server \{.*?^\}$)/ms;

$second =~ s/^ +ssl_(?:client_certificate|verify_client) .*\n//mg;
$second =~ s/^server \{/server { server_name second;/;

gateway("$certificates\n$second", sub { shell($commands) });

sub shows {
    my ($name, @headers) = @_;
    my $conf = $gateway->prefix . '/conf';

    return asks([@headers], tls => 1, certificate => ["$conf/$name.pem",
                                              "$conf/$name.key"]);
}

is(shows('catalogue'), '200 as catalogue', 'a certificate names its client');
shell($issue =~ s{/CN=catalogue}{/O=a,CN=catalogue/CN=b}r
             =~ s/catalogue\./subject./gr);
is(shows('subject'), '403 by consumer', 'another subject names nobody');
shell($ca =~ s/ca\.(?=key|pem)/other./gr
      . $issue =~ s/ca\.(?=key|pem)/other./gr =~ s/catalogue\./forged./gr);
is(shows('forged'), '400', 'a certificate of another CA is no good');
is(shows('forged', 'Host: second'), '403 by consumer',
   'nor where no certificate is asked for');
is(asks([], tls => 1), '400', 'nor is none');
$gateway->quit;


# passwords

my $password;

gateway(server("location /katalo/ { katalo_bearer production;\n"
               . "proxy_pass https://app.katalo.ai/api/v1/;\n"
               . recipe($page, 'nginx location', qr/auth_basic/) . '}'),
        sub { $password = shell(recipe($page, 'sh', qr/openssl passwd/)) });

is(asks(basic("catalogue:$password")), '200 as catalogue',
   'a password names its client');
is(asks(basic('catalogue:guess')), '401 by nginx', 'another one does not');
is(asks(basic("shop:$password")), '401 by nginx', 'nor for another name');
is(asks([]), '401 by nginx', 'nor does none');
$gateway->quit;


# tokens

SKIP: {
    skip 'nginx has no secure_link module', 5
        if !has_feature('http_secure_link_module');

    my $token;

    gateway(recipe($page, 'nginx http', qr/secure_link_md5/),
            sub { $token = shell(recipe($page, 'sh', qr/openssl md5/)) });

    is(asks(bearer($token)), '200 as catalogue', 'a token names its client');
    is(asks(bearer($token =~ s/.$/x/r)), '403 by consumer',
       'another one does not');
    is(asks(bearer('0' . $token)), '403 by consumer', 'nor a longer one');
    is(asks([]), '403 by consumer', 'nor does none');
    unlike($gateway->read_file('conf/katalo-tokens.conf')
           . $gateway->read_file('conf/nginx.conf'),
           qr/\Q@{[ $token =~ s{.*\.}{}r ]}/, 'no file has the token');
    $gateway->quit;
}


# a service that verifies JWTs

gateway(server($authorize));

is(asks(bearer($service->token(sub => 'shop'))), '200 as shop',
   'a JWT names its client');
is(asks(bearer($service->token(sub => 'shop', exp => time - 1))),
   '401 by nginx', 'an expired one does not');
is(asks(bearer($service->token(sub => 'shop', alg => 'none'))),
   '401 by nginx', 'nor one that is not signed');

my ($claims) = $service->token(sub => 'catalogue') =~ /(\..*\.)/;
is(asks(bearer($service->token(sub => 'shop') =~ s/\..*\./$claims/r)),
   '401 by nginx', 'nor one with the claims of another one');
is(asks(bearer($service->token(sub => ''))), '403 by consumer',
   'nor one without a subject');
is(asks([]), '401 by nginx', 'nor does none');
is(asks(['X-Consumer: shop']), '401 by nginx', 'nor a header of the client');
$service->stop;
is(asks(bearer('any')), '500 by nginx', 'without the service, nobody gets in');

lacks_secrets($gateway->error_log, 'the error log shows no key');

done_testing();
