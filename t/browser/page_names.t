#!/usr/bin/perl

# Names that mean something to JavaScript are names like others on the page.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;

use Katalo::Browser;
use Katalo::Test qw(:all);
use Katalo::Upstream;

my @names = qw(constructor __proto__ toString hasOwnProperty);
my %key = map { $_ => new_key($_) } @names;
my $up = Katalo::Upstream->new;
my $operations = join "\n", map { "katalo_operation $_ GET ~/$_\$;" } @names;
my $keys = join "\n", map { "katalo_key $_ file:%KEY:$_%;" } @names;
my $gateway = Katalo::Test->new(
    upstream => $up, keys => \%key, http => "$keys $operations" . <<'EOC')
    map $arg_key $name { default $arg_key; }
    proxy_ssl_trusted_certificate %CA%;
    upstream app.katalo.ai { server 127.0.0.1:%UPSTREAM_PORT%; }
    server {
        listen 127.0.0.1:%PORT%;
        location /katalo/ {
            katalo_bearer $name;
            proxy_pass https://app.katalo.ai/api/v1/;
        }
        location = /status { katalo_status; }
    }
EOC
    ->start;

my ($n, %count) = 0;

for my $name (@names) {
    $count{$name} = ++$n;
    $gateway->request('GET', "/katalo/$name?key=$_")
        for map { ($_) x $n } @names;
}

my $browser = Katalo::Browser->new;
my $page = $browser->page;
my $expected = join ', ', map { "$_ $count{$_}" } @names;

$page->open($gateway->url('/status'));
ok($page->wait_for('document.querySelectorAll("details").length === '
                   . scalar @names), 'all keys are shown');
is_deeply([$page->text('.key b')], \@names, 'by their names');

for my $i (0 .. $#names) {
    my $rows = $page->value("[...[...document.querySelectorAll('details')[$i]
        .querySelectorAll('table')]
        .find(table => table.caption.textContent === 'Operations')
        .tBodies[0].rows]
        .map(row => [...row.cells].map(cell => cell.textContent).join(' '))
        .join(', ')");

    is($rows, $expected, "$names[$i]: each operation with its count");
}

like(join(' ', $page->text('#totals')), qr/Requests\s*40\b/,
     'the sum is a number');
is_deeply([$page->complaints], [], 'the console is empty');

done_testing();
