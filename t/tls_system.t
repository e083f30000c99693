#!/usr/bin/perl

# Where the user names no CA, it is the system's: the bundle of Debian and
# Alpine, of Red Hat, or of others.  Without one, nginx does not start.  All in
# a mount namespace with another /etc.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Katalo::Test qw(:all);
use Katalo::Upstream qw(expects_auth);

my $key = new_key('prod1');
my $up = Katalo::Upstream->new(keys => [$key]);
my $other = Katalo::Upstream->new(certificate => 'untrusted');

my $gateway = Katalo::Test->new(
    upstream => $up, vars => { OTHER_PORT => $other->port },
    keys => { production => $key }, http => <<'EOC');
    katalo_key production file:%KEY:production%;
    upstream app.katalo.ai { server 127.0.0.1:%UPSTREAM_PORT%; }
    upstream other.katalo.ai { server 127.0.0.1:%OTHER_PORT%; }
    server {
        listen 127.0.0.1:%PORT%;
        location / {
            katalo_bearer production;
            proxy_pass https://app.katalo.ai/api/v1/;
        }
        location /other/ {
            katalo_bearer production;
            proxy_pass https://other.katalo.ai/api/v1/;
        }
    }
EOC

my $etc = $gateway->prefix . '/etc';
my $binary = $ENV{TEST_NGINX_BINARY} // '/usr/sbin/nginx';

# who is not root becomes it for the mount alone
my @who = $> == 0 ? ('', '')
        : ('--map-root-user', "unshare --map-user=$> --map-group=" . ($) + 0));

nginx_version();                        # known before the binary is another
mkdir $etc;
system "cp /etc/passwd /etc/group /etc/ld.so.cache $etc/";

$ENV{TEST_NGINX_BINARY} = $gateway->write_file('nginx', <<"EOC", 0755);
#!/bin/sh
exec unshare $who[0] --mount sh -c \\
    'mount --bind "\$0" /etc && exec $who[1] "\$@"' $etc $binary "\$@"
EOC

plan skip_all => 'no mount namespace can be had here'
    if system("$ENV{TEST_NGINX_BINARY} -v >/dev/null 2>&1") != 0;

my ($code, $output) = $gateway->test_config($gateway->{http});
is($code, 1, 'without a bundle of the system nginx does not start');
like($output,
     qr{finds no CA certificates .* \(package ca-certificates\) or set "proxy},
     'and says what to install, or to set');

($code) = $gateway->test_config("proxy_ssl_trusted_certificate %CA%;\n"
                                . $gateway->{http});
is($code, 0, 'unless the user names one');
($code) = $gateway->test_config("katalo_upstream_tls off;\n"
                                . $gateway->{http});
is($code, 0, 'or needs none');

for my $path ('ssl/certs/ca-certificates.crt', 'pki/tls/certs/ca-bundle.crt',
              'ssl/cert.pem')
{
    my ($directory) = $path =~ m{(.*)/};
    system "mkdir -p $etc/$directory";
    $gateway->write_file("etc/$path", do {
        local (@ARGV, $/) = certificate('ca');
        scalar <>;
    });

    $gateway->start;
    $_->clear for $up, $other;

    is($gateway->request('GET', '/usage/summary')->status, 200,
       "an upstream that /etc/$path trusts");
    is_deeply([map { $up->auth($_) } $up->received], [expects_auth($key)],
              "gets the key with /etc/$path");

    is($gateway->request('GET', '/other/usage/summary')->status, 502,
       "not one that /etc/$path does not trust");
    is(scalar $other->received, 0, "it sees nothing with /etc/$path");

    is($gateway->quit, 0, "nginx leaves with /etc/$path");
    system "rm -r $etc/$directory";
}

done_testing();
