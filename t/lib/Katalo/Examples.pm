package Katalo::Examples;

# The files of docs/examples/, for tests that run them.
#
#   example('compose/compose.yaml')      the text of a file
#   example_path('apparmor/...')         where it is
#   gateway($text, %option)              a Katalo::Test of a whole nginx.conf,
#                                        with ports, paths and an upstream of
#                                        the test in place of the reader's
#   client_certificate($subject, $ca)    the options of curl for a client with
#                                        a certificate of this subject

use strict;
use warnings;

use Cwd qw(abs_path);
use Exporter qw(import);
use File::Basename qw(dirname);
use File::Temp;

use Katalo::Test qw(certificate certificate_key);
use Katalo::Test::Process qw(slurp);

our @EXPORT_OK = qw(example example_path gateway client_certificate);

my $directory = abs_path(dirname(__FILE__) . '/../../../docs/examples');
my $certificates;


sub example_path { return "$directory/$_[0]" }


sub example {
    my ($name) = @_;

    return slurp(example_path($name)) || die "$name: no such example\n";
}


sub gateway {
    my ($text, %option) = @_;

    return Katalo::Test->new(%option, conf => _localize($text));
}


sub _localize {
    my ($text) = @_;

    $text =~ s/^load_module .*;$/%LOAD_MODULE%/m;
    $text =~ s/^(?:user|error_log|pid) .*;\n//mg;
    $text =~ s/^(?=events)/%MAIN%\n/m;
    $text =~ s{(?<=_temp_path)( +)/tmp/}{$1%PREFIX%/temp/}g;
    $text =~ s{(?<=access_log)( +)/dev/stdout}{$1%PREFIX%/logs/access.log}g;
    $text =~ s/(?<=listen)( +)8443 ssl/${1}127.0.0.1:%TLS_PORT% ssl/g;
    $text =~ s/(?<=listen)( +)(?:127\.0\.0\.1:)?8081/${1}127.0.0.1:%PORT%/g;
    $text =~ s{file:/\S*/([\w.-]+)}{file:%KEY:$1%}g;
    $text =~ s{/\S*/(?:gateway\.pem|tls\.crt)}{%CERT%}g;
    $text =~ s{/\S*/(?:gateway\.key|tls\.key)}{%CERT_KEY%}g;
    $text =~ s{/\S*/(?:clients-ca\.pem|ca\.crt)}{%CA%}g;

    my $temp = $text =~ /_temp_path/ ? '' : '%TEMP_PATHS%';

    $text =~ s/^http \{$/http {\n$temp
    upstream app.katalo.ai { server 127.0.0.1:%UPSTREAM_PORT%; }
    proxy_ssl_trusted_certificate %CA%;/m;

    return $text;
}


sub client_certificate {
    my ($subject, $ca) = @_;

    $certificates //= File::Temp->newdir('katalo-clients-XXXXXX', TMPDIR => 1);

    my $path = "$certificates/" . ($subject =~ s/\W+/-/gr) . "-$ca";
    my $output = -e "$path.pem" ? '' : `openssl req -x509 -nodes -days 30 \\
        -newkey ec -pkeyopt ec_paramgen_curve:P-256 -subj '$subject' \\
        -CA @{[ certificate($ca) ]} -CAkey @{[ certificate_key($ca) ]} \\
        -keyout $path.key -out $path.pem 2>&1`;

    die "openssl: $output\n" if !-s "$path.pem";

    return ('--cert', "$path.pem", '--key', "$path.key");
}

1;
