#!/usr/bin/perl

# docs/examples/container/Containerfile.nginx-org, built and run by podman, as
# image.t does.  Its base has the layout of nginx.org's image, and an nginx with
# the options of their package; the source that it downloads is that of
# Debian's archive, which a server here has in place of nginx.org.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;

use Digest::SHA;

use Katalo::Container qw(enter directory does make_debian build gateway_runs);
use Katalo::Examples qw(example_path);
use Katalo::Test qw(wait_until);
use Katalo::Test::Process qw(slurp);

use constant ADDRESS => '127.0.0.77';

enter();

my $root = "$FindBin::Bin/../..";
my $file = example_path('container/Containerfile.nginx-org');
my $context = directory() . '/base';
my $site = directory() . '/site';


# the source, and the certificate of its server

does('there is a source of nginx', "$root/t/nginx-source", "$context/nginx");

my ($version) = slurp("$context/nginx/src/core/nginx.h")
                =~ /^#define NGINX_VERSION +"(.*)"$/m;
my $archive = "$site/download/nginx-$version.tar.gz";

does('it is an archive', 'sh', '-c', "mkdir -p $site/download \\
    && tar -C $context --transform 's,^nginx,nginx-$version,' \\
           -czf $archive nginx");
does('there is a certificate', 'openssl', 'req', '-x509', '-newkey', 'ec',
     '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2',
     '-subj', '/CN=nginx.org', '-addext', 'subjectAltName=DNS:nginx.org',
     '-keyout', "$site.key", '-out', "$site.crt");

open my $conf, '>', "$site.conf" or die "$site.conf: $!\n";
print $conf <<"EOC";
pid $site.pid;
error_log $site.log;
events { }
http {
    access_log off;
    server {
        listen @{[ ADDRESS ]}:443 ssl;
        ssl_certificate $site.crt;
        ssl_certificate_key $site.key;
        root $site;
    }
}
EOC
close $conf or die "$site.conf: $!\n";
chmod 0755, directory();

my $server = Katalo::Test::Process->spawn(
    command => ['nginx', '-c', "$site.conf", '-g', 'daemon off;'],
    output => "$site.output");

wait_until(sub { -s "$site.pid" }) or die slurp("$site.output");


# the base

chomp(my $flags = `make -s -C $root flags \\
    --eval='flags: ; \@echo \$(filter-out --with-debug,\$(NGINX_ORG_FLAGS))'`);

make_debian(
    "cp $site.crt usr/local/share/ca-certificates/nginx-org-here.crt"
    . ' && chroot . update-ca-certificates');
build("an nginx $version as of nginx.org is built",
      "docker.io/library/nginx:$version", $context,
      "$FindBin::Bin/nginx-org.base", "--build-arg=VERSION=$version",
      "--build-arg=FLAGS=$flags");


# the image

build('the Containerfile is built', 'katalo-gateway', $root, $file,
      '--add-host=nginx.org:' . ADDRESS, "--build-arg=NGINX=nginx:$version",
      '--build-arg=SHA256='
      . Digest::SHA->new(256)->addfile($archive)->hexdigest);
gateway_runs('katalo-gateway', $file, 101);

$server->stop;

done_testing();
