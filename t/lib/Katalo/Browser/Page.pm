package Katalo::Browser::Page;

# A tab of Katalo::Browser, which documents it.

use strict;
use warnings;

use MIME::Base64 qw(decode_base64);
use Scalar::Util qw(weaken);


sub new {
    my ($class, $browser, $session, $target) = @_;
    my $self = bless { browser => $browser, session => $session,
                       target => $target, events => [] }, $class;

    weaken($self->{browser});
    $self->send("$_.enable") for qw(Page Runtime Log Network);

    return $self;
}


sub send {
    my ($self, $method, %parameters) = @_;

    return $self->{browser}->send($self->{session}, $method, %parameters);
}


sub close {
    my ($self) = @_;

    $self->{browser}->send('', 'Target.closeTarget',
                           targetId => $self->{target});

    return;
}


sub event {
    my ($self, $message) = @_;

    push @{ $self->{events} }, $message;

    return;
}


sub _events {
    my ($self, $method) = @_;

    return map { $_->{params} } grep { $_->{method} eq $method }
                                     @{ $self->{events} };
}


sub open {
    my ($self, $url) = @_;

    @{ $self->{events} } = ();
    $self->send('Page.navigate', url => $url);
    $self->{browser}->listen(undef,
                             sub { $self->_events('Page.loadEventFired') })
        or die "$url is not loaded\n";

    return;
}


sub value {
    my ($self, $expression) = @_;
    my $result = $self->send('Runtime.evaluate', expression => $expression,
                             awaitPromise => \1, returnByValue => \1,
                             userGesture => \1);

    die "$expression: $result->{exceptionDetails}{exception}{description}\n"
        if $result->{exceptionDetails};

    return $result->{result}{value};
}


sub wait_for {
    my ($self, $expression, $timeout) = @_;

    return $self->{browser}->listen($timeout,
                                    sub { $self->value($expression) });
}


sub key {
    my ($self, $key, $code) = @_;
    my %key = (key => $key, code => $key, windowsVirtualKeyCode => $code,
               $key eq 'Enter' ? (text => "\r") : $key eq ' ' ? (text => ' ')
                                                              : ());

    $self->send('Input.dispatchKeyEvent', type => $_, %key)
        for qw(keyDown keyUp);

    return;
}


sub type {
    my ($self, $text) = @_;

    $self->send('Input.insertText', text => $text);

    return;
}


sub text {
    my ($self, $selector) = @_;

    return @{ $self->value("[...document.querySelectorAll('$selector')]"
                           . '.map(node => node.innerText.trim())') };
}


sub size {
    my ($self, $width, $height, $scale) = @_;

    $self->send('Emulation.setDeviceMetricsOverride', width => $width,
                height => $height, deviceScaleFactor => $scale // 1,
                mobile => $width < 600 ? \1 : \0);

    return;
}


sub emulate {
    my ($self, %feature) = @_;

    $self->send('Emulation.setEmulatedMedia', features => [
        map { { name => $_, value => $feature{$_} } } sort keys %feature]);

    return;
}


sub picture {
    my ($self, $path) = @_;
    my $picture = $self->send('Page.captureScreenshot', format => 'png',
                              captureBeyondViewport => \1);

    CORE::open my $file, '>:raw', $path or die "$path: $!\n";
    print $file decode_base64($picture->{data});
    CORE::close $file or die "$path: $!\n";

    return;
}


sub requests {
    my ($self) = @_;

    return map { $_->{request}{url} }
               $self->_events('Network.requestWillBeSent');
}


sub complaints {
    my ($self) = @_;

    return (map { "$_->{entry}{level}: $_->{entry}{text}" }
            $self->_events('Log.entryAdded')),
           (map { join ' ', map { $_->{value} // $_->{type} } @{ $_->{args} } }
            $self->_events('Runtime.consoleAPICalled')),
           (map { $_->{exceptionDetails}{exception}{description} }
            $self->_events('Runtime.exceptionThrown'));
}

1;
