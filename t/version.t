#!/usr/bin/perl

# The version: one in the sources, the list of changes and the package, and
# the same in the log and in each format of the status.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Katalo::Test qw(:all);
use Katalo::Test::Process qw(slurp);

my $root = "$FindBin::Bin/..";
my $header = slurp("$root/ngx_http_katalo_module/ngx_http_katalo.h");
my ($version) = $header =~ /^#define NGX_HTTP_KATALO_VERSION +"(.*)"$/m;

like($version // '', qr/\A\d+\.\d+\.\d+\z/, 'the header has a version');

my ($changes) = slurp("$root/CHANGES") =~ /^Changes with (\S+)/m;
is($changes, $version, 'CHANGES begins with it');

my ($package) = slurp("$root/debian/changelog") =~ /\A\S+ \(([^-)]+)/;
is($package, $version, 'debian/changelog too');


my $gateway = Katalo::Test->new(
    keys => { production => new_key('prod1') }, http => <<'EOC');
    katalo_key production file:%KEY:production%;
    server {
        listen 127.0.0.1:%PORT%;
        location = /status { katalo_status; }
    }
EOC

sub notices {
    return scalar(() = $gateway->error_log =~
        /\[notice\] .* katalo: ngx_http_katalo_module \Q$version\E$/mg);
}

my ($code, $output) = $gateway->test_config;
is($code, 0, 'a configuration test') or diag(redact($output));
unlike($output, qr/\Q$version\E/, 'does not say it');

$gateway->start;
is(notices(), 1, 'it is logged at start, once');
ok($gateway->reload, 'a reload');
is(notices(), 2, 'logs it once more');

is($gateway->status->{version}, $version, 'it is in the JSON');
like($gateway->request('GET', '/status?format=prometheus')->body,
     qr/^katalo_build_info\{version="\Q$version\E"\} 1$/m,
     'and in the metrics');

done_testing();
