package Katalo::Browser::Attempts;

# A page tries all the ways that attempts.js has to get something from a
# location of a gateway, and then leads its window there; and what became of
# each.
#
#   my $run = Katalo::Browser::Attempts->new(
#       browser => $browser, gateway => $gateway, upstream => $up,
#       from => 'https://shop.example:4433',
#       to => 'https://localhost:4433/katalo/x-echo');
#
# "from" is an origin, whose server must have PAGE; the gateway must have LOG in
# its http block.
#
# withheld names the ways of which the browser itself makes nothing there.
#
#   $run->names                of all other ways
#   $run->learned($name)       what the page knows of the answer, or "nothing"
#   $run->timings              names whose timings tell status or size
#   $run->logged($name)        the gateway's log lines, each a hash
#   $run->arrived($name)       the upstream's records
#   $run->received             those of all ways
#
# A run has a number, which its requests tell: what comes late is of its own.

use strict;
use warnings;

use Exporter qw(import);
use File::Basename qw(dirname);
use JSON::PP qw(decode_json encode_json);

use Katalo::Test::Process qw(wait_until slurp);

our @EXPORT_OK = qw(LOG PAGE);

use constant LOG => <<'EOC';
    log_format attempts escape=json
        '{"attempt":"$arg_attempt","run":"$arg_run",'
        '"decision":"$katalo_decision",'
        '"status":"$status","protocol":"$server_protocol",'
        '"method":"$request_method","origin":"$http_origin",'
        '"site":"$http_sec_fetch_site","referer":"$http_referer",'
        '"upgrade":"$http_upgrade_insecure_requests"}';
    access_log %PREFIX%/logs/access.log attempts;
EOC

use constant PAGE => <<'EOC';
    merge_slashes off;
    location = /page {
        default_type text/html;
        return 200 '<!DOCTYPE html><title>A page</title><body>';
    }
    location ~ ^/redirect/(?<to>.*)$ { return 307 $to; }
    location ~ ^/report/(?<to>.*)$ {
        default_type text/html;
        add_header Content-Security-Policy "img-src 'none'; report-uri $to";
        return 200 '<!DOCTYPE html><title>A page</title><img src=/image>';
    }
    location = /worker.js {
        default_type text/javascript;
        return 200 'onmessage = async ({ data, ports: [port] }) => {
            const text = await fetch(data).then(
                async answer => answer.status + " " + await answer.text(),
                () => null);
            port.postMessage(text);
        }';
    }
EOC

my $script = slurp(dirname(__FILE__) . '/attempts.js');
my @navigations = ('navigation', 'address bar');
my $runs = 0;


sub new {
    my ($class, %option) = @_;
    my $self = bless { %option, run => ++$runs }, $class;
    my $page = $self->{browser}->page;

    $self->{begin} = length $self->{gateway}->access_log;
    $self->{upstream}->clear;

    $page->open("$self->{from}/page");
    $page->value($script);
    $self->{result} = $page->value(
        'attempt(' . _quote("$self->{to}?run=$self->{run}") . ')');

    # what the page has begun is given up when it ends
    $self->_wait_for(keys %{ $self->{result}{learned} });
    $self->_navigate($page);
    $self->_wait_for(@navigations);
    $page->close;

    return $self;
}


# Until each of these ways, but for those withheld, has come to the gateway.
sub _wait_for {
    my ($self, @names) = @_;
    my %wanted = map { $_ => 1 } @names;
    my @missing;

    wait_until(sub {
        my %seen = map { $_->{attempt} => 1 } $self->logged;
        @missing = grep { $wanted{$_} && !$seen{$_} } $self->names;
        return !@missing;
    }) or die 'nothing came of: ' . join(', ', @missing) . "\n";

    return;
}


# What ends the page comes last: its own script, then the user.
sub _navigate {
    my ($self, $page) = @_;
    my ($script, $user) = map { "$self->{to}?run=$self->{run}&attempt="
                                . s/ /+/gr } @navigations;

    $page->value('void setTimeout(() => { location = ' . _quote($script)
                 . ' })');
    wait_until(sub { $self->logged($navigations[0]) });
    $page->send('Page.navigate', url => $user);

    return;
}


sub names {
    my ($self) = @_;
    my %withheld = map { $_ => 1 } @{ $self->{withheld} // [] };
    my @names = sort grep { !$withheld{$_} }
                          keys %{ $self->{result}{learned} }, @navigations;

    return @names;
}


sub learned { return $_[0]{result}{learned}{$_[1]} // 'nothing' }
sub timings { return @{ $_[0]{result}{timings} } }


sub logged {
    my ($self, $name) = @_;
    my $log = substr $self->{gateway}->access_log, $self->{begin};

    return grep { !defined $name || $_->{attempt} eq $name }
           map { $_->{attempt} = _plain($_->{attempt}); $_ }
           grep { $_->{run} eq $self->{run} }
           map { decode_json($_) } $log =~ /^(\{"attempt":"[^"].*)\n/mg;
}


sub received {
    my ($self) = @_;

    return grep { $_->{target} =~ /[?&]run=$self->{run}(?:&|$)/ }
                $self->{upstream}->received;
}


sub arrived {
    my ($self, $name) = @_;

    return grep { $_->{target} =~ /[?&]attempt=([^&]*)/ && _plain($1) eq $name }
                $self->received;
}


sub _plain {
    my ($text) = @_;

    $text =~ tr/+/ /;
    $text =~ s/%(..)/chr hex $1/ge;

    return $text;
}


sub _quote { return encode_json([$_[0]]) =~ s/\A\[|\]\z//gr }

1;
