#!/usr/bin/perl

# TLS sessions to an upstream are resumed by locations of the same trust and
# client certificate only; a location without a key is as without the module.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Katalo::Test qw(:all);

my $key = new_key('prod1');

my $up = Katalo::Test->new(http => <<'EOC')->start;
    server {
        listen 127.0.0.1:%TLS_PORT% ssl;
        ssl_certificate %CERT%;
        ssl_certificate_key %CERT_KEY%;
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_session_cache builtin;
        ssl_verify_client optional_no_ca;
        keepalive_timeout 0;
        location / {
            return 200 "$ssl_session_reused $ssl_client_verify";
        }
    }
EOC

# by a literal address, by an "upstream" block, and by a variable
my %to = (literal => '127.0.0.1:%UP%', block => 'app.katalo.ai',
          variable => '$to');

my $http = <<'EOC';
    katalo_key production file:%KEY:production%;
    map $uri $cert { default %CERT%; }
    map $uri $to { default 127.0.0.1:%UP%; }
    upstream app.katalo.ai { server 127.0.0.1:%UP%; }
    proxy_ssl_trusted_certificate %CA%;
    proxy_ssl_protocols %VERSION%;
    proxy_ssl_name app.katalo.ai;
    server {
        listen 127.0.0.1:%PORT%;
        katalo_bearer production;
EOC

for (sort keys %to) {
    $http .= <<"EOC" =~ s/TO/$to{$_}/gr =~ s/NAME/$_/gr;
        location /NAME/open/ { katalo_bearer off; proxy_pass https://TO; }
        location /NAME/one/ { proxy_pass https://TO; }
        location /NAME/two/ { proxy_pass https://TO; }
        location /NAME/certificate/ {
            proxy_ssl_certificate %CERT%;
            proxy_ssl_certificate_key %CERT_KEY%;
            proxy_pass https://TO;
        }
        location /NAME/any/ {
            proxy_ssl_certificate \$cert;
            proxy_ssl_certificate_key %CERT_KEY%;
            proxy_pass https://TO;
        }
        location /NAME/name/ {
            proxy_ssl_name www.katalo.ai;
            proxy_pass https://TO;
        }
        location /NAME/never/ {
            proxy_ssl_session_reuse off;
            proxy_pass https://TO;
        }
EOC
}

for my $version ('TLSv1.2', 'TLSv1.3') {
    my $gateway = Katalo::Test->new(
        keys => { production => $key },
        vars => { UP => $up->tls_port, VERSION => $version },
        http => "$http}")->start;

    for my $to (sort keys %to) {
        my $is = sub {
            my ($location, $reused, $why) = @_;
            my $response = $gateway->request('GET', "/$to/$location/");

            my $certificate = $location =~ /certificate|any/ ? 'FAILED.*'
                                                              : 'NONE';
            like($response->status . ' ' . $response->body,
                 qr/^200 $reused $certificate$/s,
                 "$version, $to, $location: $why");
        };

        my $own = $to eq 'variable' ? 'r' : '\.';
        my $first = $to eq 'block' ? '\.' : 'r';

        $is->('open', $own, 'nginx has one for each upstream');
        $is->('open', 'r', 'and resumes it');
        $is->('one', $first, 'with a key, it has another');
        $is->('one', 'r', 'and resumes that') for 1 .. 2;
        $is->('two', 'r', 'so does a location of the same trust');
        $is->('name', $first, 'another name has its own');
        $is->('certificate', $first, 'a client certificate too');
        $is->($_, 'r', 'and resumes it') for 'name', 'certificate';
        $is->('any', '\.', 'one that is a variable resumes none') for 1 .. 2;
        $is->('never', '\.', 'as the configuration says') for 1 .. 2;
        $is->('one', 'r', 'that is still there');
        $is->('open', 'r', 'as is that of nginx');
    }

    $gateway->quit;
    unlike($gateway->error_log, qr/\[(?:alert|emerg|crit|error)\]/,
           "$version: without a complaint");
}

done_testing();
