#!/usr/bin/perl

# The status page, as the gateway's keys live: numbers move, states are named,
# what needs attention is said in words.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;

use Katalo::Browser;
use Katalo::Test qw(:all);
use Katalo::Test::NameServer;
use Katalo::Upstream;

my %key = map { $_ => new_key("01J$_") } qw(production partner spare);
my $up = Katalo::Upstream->new(keys => [@key{qw(production spare)}]);
my $names = Katalo::Test::NameServer->new(localhost => ['127.0.0.1']);
my $gateway = Katalo::Test->new(
    upstream => $up, keys => { %key, archive => '' }, workers => 2,
    vars => { DNS => $names->port },
    http => <<'EOC')->start;
    katalo_key production file:%KEY:production% check=100ms
        host=.katalo.ai host=localhost;
    resolver 127.0.0.1:%DNS%;
    katalo_key partner    file:%KEY:partner%    check=100ms;
    katalo_key spare      file:%KEY:spare%      check=100ms;
    katalo_key archive    file:%KEY:archive%    check=100ms;
    map $arg_key $name { default $arg_key; }
    proxy_ssl_trusted_certificate %CA%;
    upstream app.katalo.ai { server 127.0.0.1:%UPSTREAM_PORT%; }
    server {
        listen 127.0.0.1:%PORT%;
        location /katalo/ {
            katalo_bearer $name;
            katalo_cooldown 1h;
            proxy_pass https://app.katalo.ai/api/v1/;
        }
        location /host/ {
            katalo_bearer production;
            proxy_pass https://localhost:%UPSTREAM_PORT%/;
        }
        location = /status { katalo_status; }
    }
EOC

my $browser = Katalo::Browser->new;
my $page = $browser->page;
my $ago = '(?:s|min) ago';


sub call {
    my ($name, @headers) = @_;

    return $gateway->request('GET', "/katalo/usage/summary?key=$name",
                             headers => [@headers]);
}


# Of a key, found by its name.
sub of_key {
    my ($name, $selector) = @_;

    return "[...document.querySelectorAll('details')].filter(node =>
        node.querySelector('b').textContent === '$name').flatMap(node =>
        [...node.querySelectorAll('$selector')]).map(node =>
        node.textContent.trim())";
}


# Waits for what is shown of a key, and is tested for it.
sub shows {
    my ($name, $selector, $expected, $what) = @_;
    my $expression = of_key($name, $selector) . '.join(", ")';

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    $page->wait_for("$expression === '$expected'");

    return is($page->value($expression), $expected, $what);
}



sub in_table {
    my ($name, $caption, $expected, $what) = @_;
    my $expression = "[...document.querySelectorAll('details')]
        .find(node => node.querySelector('b').textContent === '$name')
        .querySelectorAll('table').values()
        .filter(table => table.caption.textContent === '$caption')
        .flatMap(table => [...table.tBodies[0].rows])
        .map(row => [...row.cells].map(cell => cell.textContent).join(' '))
        .toArray().join(', ')";

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    $page->wait_for("/^$expected\$/.test($expression)");

    return like($page->value($expression), qr/^$expected$/, $what);
}


sub total {
    my ($name, $expected) = @_;
    my $expression = "[...document.querySelectorAll('#totals div')].find(node =>
        node.firstChild.textContent === '$name').querySelector('dd span')
        .textContent";

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    $page->wait_for("$expression === '$expected'");

    return is($page->value($expression), $expected, "$name: $expected");
}


$page->size(1280, 900);
$page->open($gateway->url('/status'));
ok($page->wait_for('document.querySelectorAll("details").length === 4'),
   'each key is there');
shows('production', '.state', 'Not used yet', 'a key that was not used');
shows('archive', '.state', 'No key', 'one that is not there');
is_deeply([$page->text('#attention li')],
          ['archive has no usable key: its requests get 503. Give its file a '
           . 'valid one.'], 'needs attention');
is($page->value('document.title'), '(1) Katalo gateway', 'the title counts it');

call('production') for 1 .. 7;
call('production', 'Origin: https://shop.example');
call('nobody');
total('Requests', 7);
total('Refused', 2);
shows('production', '.state', 'In use', 'a key that is used');
in_table('production', 'Operations', 'usage 7', 'by operation');
in_table('production', 'Upstream statuses', '200 7', 'by status');
in_table('production', 'Refused, by reason', 'browser 1', 'by reason');
ok($page->wait_for(of_key('production', '.chart small')
                   . '.some(text => parseFloat(text.slice(5)) > 0)'),
   'the chart has a peak');
ok($page->wait_for(of_key('production', '.rate') . '.some(text =>
                   /0\.0$/.test(text))'), 'and the rate falls again');
like($page->value(of_key('production', '.used') . '[0]'), qr/\d $ago$/,
     'the last use');

call('partner');
shows('partner', '.state', 'Rejected', 'a key that Katalo does not know');
my $leaked = new_key('01Jclient');
call('spare', "Authorization: Bearer $leaked");
shows('spare', '.state', 'In use, Leaked key seen', "a client's own key");
is(scalar(grep { /^(?:Katalo rejects partner|1 request to spare brought)/ }
               $page->text('#attention li')), 2, 'both need attention');
is($page->value('document.title'), '(3) Katalo gateway', 'and are counted');
like(join(' ', $page->text('#attention li')),
     qr/a Katalo key along, the last \d+ $ago: /, 'with the time of the last');
in_table('spare', 'Clients', ".*The last of these \\d+ $ago, .*",
         'in full too');

$gateway->set_key(spare => 'kat_live_x');
shows('spare', '.state', 'In use, Bad source, Leaked key seen', 'a bad file');
like(join(' ', $page->text('#attention li')),
     qr/The file of spare is gone or holds no key; the last/,
     'needs attention');
$gateway->set_key(spare => $key{spare});
shows('spare', '.state', 'In use, Leaked key seen', 'for as long as it is');

my $new = new_key('01Jnew');
$up->set_keys($new, @key{qw(production spare)});
$gateway->set_key(production => $new);
in_table('production', 'Key ids',
         '01Jnew current 0 never, 01Jproduction previous 7 .* ago',
         'a rotation: the new id is current');
in_table('production', 'Gateway', '.*Rotations 1.*', 'and counted');
call('production');
in_table('production', 'Key ids',
         '01Jnew current 1 .* ago, 01Jproduction previous 7 .* ago',
         'and used');

$gateway->set_key(production => '');
shows('production', '.state', 'No key', 'a revocation');
in_table('production', 'Key ids', '01Jnew revoked .*', 'its id is revoked');
total('Keys', 4);


# the filter, and what needs attention

$page->value('document.getElementById("filter").focus()');


sub found {
    my ($text, $expected) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    $page->value('document.getElementById("filter").select()');
    $page->type($text);

    return is_deeply([$page->text('.key b')], $expected, "the filter: $text");
}


found('arch', ['archive']);
found('01JPARTNER', ['partner']);
found('no key', ['production', 'archive']);
found('e p', ['production', 'partner', 'spare']);
is_deeply([$page->text('#shown')], ['3 of 4 keys'], 'says how many');
found('nothing of it', []);
$page->value('document.getElementById("filter").select()');
$page->key('Backspace', 8);
call('spare');
$page->value('document.getElementById("only").click()');
is_deeply([$page->text('.key b')], ['production', 'partner', 'spare',
                                    'archive'], 'only what needs attention');

ok($page->wait_for("/^localhost: addresses: 1, resolved \\d+ $ago\$/.test("
                   . 'document.getElementById("upstreams").textContent)'),
   'the addresses of an upstream host');

call('spare&x-rate-limit=3000');
shows('spare', '.state', 'In use, Cooling, Leaked key seen', 'a cool-down');
in_table('spare', 'Gateway', '.*Cool-down usage 2,\\d\\d\\d s.*',
         'with the seconds left');
like(join(' ', $page->text('#attention li')),
     qr/answered 429 to spare: requests are refused for usage 2,\d\d\d s\./,
     'needs attention');

like(($page->text('footer'))[0],
     qr/^ngx_http_katalo_module \Q${\ $gateway->status->{version}}\E\. Counts/,
     'the version of the module');

is_deeply([$page->complaints], [], 'the console is empty');
my $url = $gateway->url('');
is_deeply([grep { !m{^(?:\Q$url\E/|data:,$)} } $page->requests], [],
          'nothing else was asked for');
lacks_secrets($page->value('document.documentElement.outerHTML'),
              'the page has no secret');

done_testing();
