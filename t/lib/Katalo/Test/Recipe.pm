package Katalo::Test::Recipe;

# What the documentation gives to be copied, for a gateway under test.
#
#   recipe('docs/limits.md', 'nginx http', qr/limit_req/)
#       the block of code of that language that has this in it; dies if there
#       is none
#   localize($text)
#       with placeholders for the reader's own files, names and addresses

use strict;
use warnings;

use Cwd qw(abs_path);
use Exporter qw(import);
use File::Basename qw(dirname);

use Katalo::Test::Process qw(slurp);

our @EXPORT_OK = qw(recipe localize);

my $root = abs_path(dirname(__FILE__) . '/../../../..');


sub recipe {
    my ($page, $language, $pattern) = @_;
    my ($found) = grep { $_ =~ $pattern }
                       slurp("$root/$page") =~ /^```$language\n(.*?)^```$/msg;

    return $found // die "$page has no recipe of $pattern\n";
}


sub localize {
    my ($text) = @_;

    $text =~ s/^(?:load_module|user) .*;$//mg;
    $text =~ s{file:/\S*/([\w.-]+)}{file:%KEY:$1%}g;
    $text =~ s/(?<=listen )( +)[\d.]+:(\d+)/${1}127.0.0.1:%PORT$2%/g;
    $text =~ s{(?<=_log  )( *)/var/log/(?:nginx|katalo)}{$1%PREFIX%/logs}g;
    $text =~ s{/etc/nginx/gateway\.pem}{%CERT%}g;
    $text =~ s{/etc/nginx/gateway\.key}{%CERT_KEY%}g;
    $text =~ s{/etc/nginx/clients-ca\.pem}{%CA%}g;
    $text =~ s{(?<=include  )(?=snippets/)}{$root/docs/}g;
    $text =~ s/(?<=server )( +)app\.katalo\.ai:443/${1}127.0.0.1:443/g;

    return $text;
}

1;
