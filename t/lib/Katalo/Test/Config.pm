package Katalo::Test::Config;

# Configurations that nginx -t must refuse or take, by what differs from a good
# one.
#
#   my $config = Katalo::Test::Config->new(keys => { production => $key });
#   $config->refuses('a literal key', qr/katalo_key/, http => 'katalo_key ...');
#   $config->accepts('a file', location => 'katalo_strip X-Token;');
#
# Parts: main, http, server, location (lines for these places, beside those of
# the good one); key, bearer, pass, block, consumer (the good one's katalo_key,
# katalo_bearer, proxy_pass, upstream block, katalo_consumer, replaced).  "#!"
# ends the line that the message must name.

use strict;
use warnings;

use Test::More;

use Katalo::Test qw(redact lacks_secrets);

my %good = (
    key => 'katalo_key production file:%KEY:production%;',
    block => 'upstream app.katalo.ai { server 127.0.0.1:1; }',
    http => '', server => '', location => '',
    bearer => 'katalo_bearer production;', consumer => 'katalo_consumer off;',
    pass => 'proxy_pass https://app.katalo.ai/api/v1/;',
);


sub new {
    my ($class, %option) = @_;
    my $gateway = Katalo::Test->new(%option);

    return bless { gateway => $gateway }, $class;
}


sub gateway { return $_[0]{gateway} }


# (exit code, output) of nginx -t
sub test {
    my ($self, %part) = @_;

    return $self->{gateway}->test_config(http => text(%part),
                                         main => $part{main});
}


sub text {
    my %part = (%good, @_);

    return <<"EOC";
proxy_ssl_trusted_certificate %CA%;
$part{block}
$part{key}
$part{http}
server {
    listen 127.0.0.1:%PORT%; $part{consumer}
    $part{server}
    location / {
        $part{location}
        $part{bearer}
        $part{pass}
    }
}
EOC
}


sub refuses {
    my ($self, $name, $pattern, %part) = @_;
    my ($code, $output) = $self->test(%part);

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my @errors = grep { /\[emerg\]/ } split /\n/, $output;
    my ($message) = grep { $_ =~ $pattern } @errors;
    my $line = $self->_line;

    ok($code == 1 && $message
       && $message =~ m{ in \S+/conf/test\.conf:$line$}, $name)
        || diag("line $line was expected in:\n" . redact($output));
    lacks_secrets($output, "$name: no byte of a key is shown");

    return $output;
}


sub accepts {
    my ($self, $name, %part) = @_;
    my ($code, $output) = $self->test(%part);

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    ok($code == 0 && $output !~ /\[(?:warn|error|emerg|alert|crit)\]/, $name)
        || diag(redact($output));

    return $output;
}


# Taken, with a warning.
sub warns {
    my ($self, $name, $pattern, %part) = @_;
    my ($code, $output) = $self->test(%part);

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $line = $self->_line;
    my @warnings = grep { /\[warn\]/ } split /\n/, $output;

    ok($code == 0 && @warnings == 1 && $warnings[0] =~ $pattern
       && $warnings[0] =~ m{ in \S+/conf/test\.conf:$line$}, $name)
        || diag("line $line was expected in:\n" . redact($output));

    return $output;
}


sub _line {
    my ($self) = @_;
    my @lines = split /\n/, $self->{gateway}->read_file('conf/test.conf');
    my ($line) = grep { $lines[$_ - 1] =~ /#!$/ } 1 .. @lines;

    return $line // 0;
}

1;
