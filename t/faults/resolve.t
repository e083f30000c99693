#!/usr/bin/perl

# The addresses of a host change all the time, while requests are made and the
# configuration is reloaded: every request is answered, and counted once.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;

use Time::HiRes qw(sleep time);

use Katalo::Test qw(:all);
use Katalo::Test::Counts qw(counts);
use Katalo::Test::Health qw(settles memory keeps_memory ends_well);
use Katalo::Test::Load;
use Katalo::Test::NameServer;
use Katalo::Upstream;

use constant { SECONDS => 30 };

my @all = map { "127.0.0.$_" } 1 .. 4;
my $names = Katalo::Test::NameServer->new(localhost => [@all[0, 1]]);
my $up = Katalo::Upstream->new;
my $listen = join ' ', map { "listen $_:%TLS_PORT% ssl;" } @all;

my $addresses = Katalo::Test->new(
    upstream => $up, http => <<'EOC' =~ s/LISTEN/$listen/r)->start;
    upstream api { server 127.0.0.1:%UPSTREAM_PLAIN_PORT%; keepalive 32; }
    server {
        LISTEN
        ssl_certificate %CERT%;
        ssl_certificate_key %CERT_KEY%;
        keepalive_requests 1000000;
        location / {
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_pass http://api;
            add_header X-Address $server_addr;
        }
    }
EOC

my $gateway = Katalo::Test->new(
    keys => { production => new_key() }, workers => 2,
    vars => { UP => $addresses->tls_port, DNS => $names->port },
    http => <<'EOC')->start;
    katalo_key production file:%KEY:production% host=localhost;
    proxy_ssl_trusted_certificate %CA%;
    resolver 127.0.0.1:%DNS%;
    server {
        listen 127.0.0.1:%PORT%;
        location /katalo/ {
            katalo_bearer production;
            proxy_pass https://localhost:%UP%/api/v1/;
        }
        location = /status { katalo_status json; }
    }
EOC


my $load = Katalo::Test::Load->start($gateway, pause => 0.005, slow => 1500);
wait_until(sub { $up->targets > 100 }) or die "there is no load\n";

my ($end, $changes, %seen) = (time + SECONDS, 0);
my $memory = memory($gateway);

# longer on a busy machine

while (time < $end
       || time < $end + 120 && ($up->targets < 1000 || keys %seen < 2))
{
    my @some = grep { rand() < 0.5 } @all;

    $names->set(localhost => @some ? \@some : [$all[rand @all]]);
    $changes++;
    sleep 1;

    $seen{ $gateway->request('GET', '/katalo/x-echo')->header('X-Address') }++;

    $gateway->reload if $changes == 16;
}

my $outcome = $load->stop;

settles($gateway, 'at the end');
keeps_memory($gateway, "after $changes changes", $memory);

is_deeply($outcome->{broken}, [], 'every request is answered');
is_deeply([grep { !/^20[0-2]$/ } keys %{ $outcome->{answered} }], [], 'well');
cmp_ok(Katalo::Test::Load::answers($outcome), '>', 500, 'there was a load');
cmp_ok(scalar keys %seen, '>', 1, 'several addresses were used');
is(counts($gateway)->{total}, scalar $up->targets,
   'each request that was received is counted');

ends_well($gateway);

done_testing();
