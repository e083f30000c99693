#!/usr/bin/perl

# The status page runs nothing but its own script, and takes what it reads for
# text.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;

use JSON::PP;

use Katalo::Browser;
use Katalo::Test qw(:all);

# a name cannot have this in it: the directive refuses it
my $html = '<img src=x onerror=alert(1)><b id=bold>bold</b>';
my $hostile = JSON::PP->new->canonical->encode({
    time => '2026-01-01T00:00:00Z', keys => [{
        key => "name $html", source => "source $html", usable => \0,
        rejected => \0, denied => { "reason $html" => 1 }, in_flight => 0,
        client_credentials => { katalo_key => 1, stripped => 0 },
        rotations => 0, read_failures => 0, ids => [{
            key_id => "id $html", state => "state $html", retries => 0,
            requests => { total => 1, "operation $html" => 1 },
            responses => { "200 $html" => 1 }, bytes => {},
            first_used => '2026-01-01T00:00:00Z',
            last_used => '2026-01-01T00:00:00Z',
            upstream_seconds => { sum => 1, count => 1, buckets => [] }
        }] }] });

my $gateway = Katalo::Test->new(
    keys => { production => new_key('one') }, http => <<"EOC")->start;
    katalo_key production file:%KEY:production%;
    server {
        listen 127.0.0.1:%PORT%;
        location = /status { katalo_status; }
        location = /hostile {
            if (\$arg_format = json) { return 200 '$hostile'; }
            katalo_status html;
        }
        location = /plain {
            default_type text/html;
            return 200 '<!DOCTYPE html><title>No policy</title><body>';
        }
    }
EOC

my $browser = Katalo::Browser->new;
my $page = $browser->page;

# what somebody who could change the page would do; each says what came of it
my %injection = (
    'a script' => 'const script = document.createElement("script");
        script.append("window.done = true");
        document.body.append(script);
        resolve(window.done === true)',
    'a script as text' => 'const script = document.createElement("script");
        script.textContent = "window.text = true";
        document.body.append(script);
        resolve(window.text === true)',
    'an event handler' => 'const node = document.createElement("p");
        node.setAttribute("onclick", "window.clicked = true");
        document.body.append(node);
        node.click();
        resolve(window.clicked === true)',
    'HTML' => 'document.createElement("p").innerHTML = "<b>a</b>";
        resolve(true)',
    'a style' => 'const node = document.createElement("style");
        node.append("body { --injected: yes }");
        document.body.append(node);
        resolve(getComputedStyle(document.body)
                .getPropertyValue("--injected") !== "")',
    'a frame' => 'const frame = document.createElement("iframe");
        frame.src = "/plain?framed";
        frame.onload = () => {
            try {
                resolve(frame.contentDocument.title !== "");
            } catch {
                resolve(false);
            }
        };
        document.body.append(frame)',
    'an image' => 'const image = new Image();
        image.onload = () => resolve(true);
        image.onerror = () => resolve(performance.getEntriesByName(image.src)
                                      .some(one => one.transferSize));
        image.src = "/status?image"',
    'a call to elsewhere' => 'fetch("http://shop.example:" + location.port,
            { mode: "no-cors" }).then(() => resolve(true),
                                      () => resolve(false))',
);


sub try {
    my ($code) = @_;

    return $page->value("new Promise(resolve => { try { $code } "
                        . 'catch { resolve(false) } })') ? 1 : 0;
}


$page->open($gateway->url('/status?format=html'));
ok($page->wait_for('document.querySelector("details")'), 'the page works');
is_deeply([$page->complaints], [], 'within its policy');
is(try($injection{$_}), 0, "not injected: $_") for sort keys %injection;
is(scalar(grep { /shop\.example|\?image|\?framed/ } $gateway->access_log), 0,
   'nothing was asked for');

$page->open($gateway->url('/plain'));
is(try($injection{$_}), 1, "without the policy, it is: $_")
    for sort keys %injection;

is(try($injection{'a frame'} =~ s{/plain}{/status}r), 0,
   'another page cannot have it in a frame');

$page->open($gateway->url('/hostile'));
ok($page->wait_for('document.querySelector("details")'), 'hostile names');
$page->value('document.querySelector("details").open = true');

my $text = $page->value('document.body.innerText');
like($text, qr/\Q$_ $html\E/, "$_: HTML is shown as text")
    for qw(name id state operation 200 reason source);
is($page->value('document.querySelectorAll("img, #bold").length'), 0,
   'it makes no elements');
is_deeply([$page->complaints], [], 'and the console is empty');

done_testing();
