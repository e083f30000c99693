package Katalo::Browser;

=head1 NAME

Katalo::Browser - a real Chromium without a screen, for tests

=head1 SYNOPSIS

  my $browser = Katalo::Browser->new;
  my $page = $browser->page;

  $page->open($gateway->url('/status'));
  is($page->value('document.title'), 'Katalo gateway', 'it has a title');
  ok($page->wait_for('document.querySelector("details")'), 'and a key');
  is_deeply([$page->complaints], [], 'nothing on the console');

=head1 DESCRIPTION

It is driven by the DevTools protocol over two pipes, so there is no port and no
further program.  It trusts certificate("server") by its public key, and nothing
else that its system does not.  Host names are found on 127.0.0.1 only.  Its
files are below a directory that is removed at the end.

A page (a tab) has:

  open($url)            waits for its load
  value($expression)    what it is in the page, promises waited for
  wait_for($expression, $timeout)   until it is true
  key($key, $code)      a press of a key, as of a keyboard
  type($text)           into what has the focus
  text($selector)       of each element that matches, as it is shown
  size($width, $height), emulate(name => value)   of the screen, media features
  picture($path)        a PNG of all of it
  requests              URLs that it asked for
  complaints            what came to the console or went wrong
  send($method, %parameters)   anything else
  close                 the tab

=cut

use strict;
use warnings;

use File::Path qw(remove_tree);
use File::Temp;
use IO::Select;
use JSON::PP;
use POSIX qw(mkfifo);

use Katalo::Browser::Page;
use Katalo::Test::Certificates qw(certificate);
use Katalo::Test::Process qw(wait_until slurp);

my $json = JSON::PP->new->utf8;

my @switches = qw(
    --headless --no-sandbox --disable-gpu --no-first-run --disable-sync
    --disable-background-networking --disable-component-update
    --disable-default-apps --disable-extensions --disable-dev-shm-usage
    --no-default-browser-check --metrics-recording-only --no-proxy-server
    --disable-popup-blocking --remote-debugging-pipe --force-color-profile=srgb
    --font-render-hinting=none --hide-scrollbars --lang=en-US);


sub new {
    my ($class) = @_;
    my $directory = File::Temp->newdir('katalo-browser-XXXXXX', TMPDIR => 1);
    my @pipes = map { "$directory/$_" } qw(in out);

    mkfifo($_, 0600) or die "$_: $!\n" for @pipes;

    my $self = bless { directory => $directory, id => 0, buffer => '',
                       answers => {}, pages => {} }, $class;

    # opened for both, so that neither side waits for the other
    open $self->{to}, '+<:raw', $pipes[0] or die "$pipes[0]: $!\n";
    open $self->{from}, '+<:raw', $pipes[1] or die "$pipes[1]: $!\n";
    $self->{to}->autoflush(1);

    $self->{process} = Katalo::Test::Process->spawn(
        command => ['/bin/sh', '-c', 'exec "$@" 3< "$0/in" 4> "$0/out"',
                    "$directory", '/usr/bin/chromium', @switches,
                    "--user-data-dir=$directory/profile",
                    '--host-resolver-rules=MAP * 127.0.0.1',
                    '--ignore-certificate-errors-spki-list='
                    . _public_key_hash(certificate('server')), 'about:blank'],
        output => "$directory/output",
        env => { HOME => "$directory", XDG_CONFIG_HOME => "$directory/config",
                 XDG_CACHE_HOME => "$directory/cache", DISPLAY => undef,
                 DBUS_SESSION_BUS_ADDRESS => 'disabled:' });

    $self->send('', 'Browser.getVersion');

    return $self;
}


sub _public_key_hash {
    my ($path) = @_;

    my $hash = `openssl x509 -in $path -noout -pubkey \\
                | openssl pkey -pubin -outform der \\
                | openssl dgst -sha256 -binary | openssl base64`;
    chomp $hash;

    return $hash;
}


sub page {
    my ($self) = @_;
    my $target = $self->send('', 'Target.createTarget', url => 'about:blank');
    my $session = $self->send('', 'Target.attachToTarget', flatten => \1,
                              targetId => $target->{targetId})->{sessionId};

    return $self->{pages}{$session}
        = Katalo::Browser::Page->new($self, $session, $target->{targetId});
}


# Sends a command and returns its result.
sub send {
    my ($self, $session, $method, %parameters) = @_;
    my $id = ++$self->{id};

    print { $self->{to} } $json->encode({
        id => $id, method => $method, params => \%parameters,
        $session ? (sessionId => $session) : () }), "\0";

    # a promise may take its time

    $self->listen(180, sub { $self->{answers}{$id} })
        or die "$method: no answer; " . slurp("$self->{directory}/output");

    my $answer = delete $self->{answers}{$id};
    die "$method: $answer->{error}{message}\n" if $answer->{error};

    return $answer->{result};
}


# Takes what the browser says until the condition holds; returns what it gave.
sub listen {
    my ($self, $timeout, $condition) = @_;

    return wait_until(sub { $self->_take; return $condition->() }, $timeout);
}


sub _take {
    my ($self) = @_;

    die "the browser is gone: " . slurp("$self->{directory}/output")
        if !$self->{process}->is_running;

    while (IO::Select->new($self->{from})->can_read(0)) {
        sysread $self->{from}, $self->{buffer}, 1 << 20,
                length $self->{buffer};
    }

    while ($self->{buffer} =~ s/\A([^\0]*)\0//) {
        my $message = $json->decode($1);
        my $page = $self->{pages}{ $message->{sessionId} // '' };

        $self->{answers}{ $message->{id} } = $message if $message->{id};
        $page->event($message) if $page && $message->{method};
    }

    return;
}


# Its processes end one after the other, and write to the directory until then.
sub stop {
    my ($self) = @_;

    eval { $self->send('', 'Browser.close') };
    wait_until(sub { !$self->{process}->is_running }, 10);
    $self->{process}->stop;

    return wait_until(sub {
        remove_tree("$self->{directory}/profile", { error => \my $errors });
        return !@$errors;
    }, 10);
}


sub DESTROY {
    my ($self) = @_;

    local ($?, $@, $!);
    $self->stop if $self->{process} && $self->{process}->is_running;
}

1;
