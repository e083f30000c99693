package Katalo::Test::Authorizer;

# A service for auth_request that verifies JSON Web Tokens (RFC 7519, HS256):
# 200 with the subject in X-Consumer, or 401.
#
#   my $service = Katalo::Test::Authorizer->new;
#   $service->port;
#   $service->token(sub => 'catalogue');       # valid for an hour
#   $service->token(sub => 'catalogue', exp => time - 1);
#   $service->token(alg => 'none', ...);       # claims another algorithm
#   $service->stop;

use strict;
use warnings;

use Digest::SHA qw(hmac_sha256);
use IO::Socket::INET;
use JSON::PP qw(decode_json encode_json);
use MIME::Base64 qw(decode_base64url encode_base64url);
use POSIX ();

use Katalo::Test::Secrets qw(new_secret);


sub new {
    my ($class) = @_;
    my $socket = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 16)
        or die "listening: $!\n";
    my $self = bless { secret => new_secret(32), owner => $$,
                       port => $socket->sockport }, $class;

    $self->{pid} = fork() // die "fork: $!\n";

    if ($self->{pid} == 0) {
        $SIG{$_} = 'DEFAULT' for qw(INT TERM HUP);
        $SIG{PIPE} = 'IGNORE';

        while (my $client = $socket->accept) {
            eval { print $client $self->_answer($client) };
            close $client;
        }

        POSIX::_exit(1);
    }

    return $self;
}


sub port { return $_[0]{port} }


sub token {
    my ($self, %claim) = @_;
    my $head = { typ => 'JWT', alg => delete $claim{alg} // 'HS256' };

    my $signed = join '.', map { encode_base64url(encode_json($_)) }
                               $head, { exp => time + 3600, %claim };

    return "$signed." . ($head->{alg} eq 'none' ? ''
                         : encode_base64url($self->_sign($signed)));
}


sub _sign {
    my ($self, $text) = @_;

    return hmac_sha256($text, $self->{secret});
}


sub _answer {
    my ($self, $client) = @_;
    my $head = '';

    sysread $client, $head, 65536, length $head or return ''
        until $head =~ /\r\n\r\n/;

    my ($token) = $head =~ /^Authorization: Bearer (\S+)\r$/mi;
    my $name = eval { $self->_subject($token) };

    return defined $name
        ? "HTTP/1.0 200 OK\r\nX-Consumer: $name\r\n\r\n"
        : "HTTP/1.0 401 Unauthorized\r\nWWW-Authenticate: Bearer\r\n\r\n";
}


sub _subject {
    my ($self, $token) = @_;
    my @part = split /\./, $token // '', 3;
    my ($head, $claims, $signature) = @part == 3 ? @part : die "no token\n";

    # the algorithm is chosen here, whatever the token says

    decode_json(decode_base64url($head))->{alg} eq 'HS256'
        && decode_base64url($signature) eq $self->_sign("$head.$claims")
        or die "not signed\n";

    my $claim = decode_json(decode_base64url($claims));
    $claim->{exp} > time or die "expired\n";

    return $claim->{sub} =~ /^([\w.-]*)$/ ? $1 : die "not a name\n";
}


sub stop {
    my ($self) = @_;

    return if $self->{owner} != $$ || !$self->{pid};

    local ($?, $!);
    kill 'TERM', $self->{pid};
    waitpid delete $self->{pid}, 0;

    return;
}


sub DESTROY { return $_[0]->stop }

1;
