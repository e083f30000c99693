package Katalo::Test::Prefix;

# The directory of a gateway under test: its files, logs and ports, and the
# placeholders that stand for them.

use strict;
use warnings;

use File::Path qw(make_path);
use File::Temp;

use Katalo::Test::Certificates qw(certificate certificate_key);
use Katalo::Test::Port qw(free_port);
use Katalo::Test::Process qw(wait_until slurp);


# The upstream of most gateways; without connections that are kept, and with.
my %block = (UPSTREAM => <<'EOC', KEPT_UPSTREAM => <<'EOC');
upstream app.katalo.ai { server 127.0.0.1:%UPSTREAM_PORT%; }
    proxy_ssl_trusted_certificate %CA%;
EOC
upstream app.katalo.ai { server 127.0.0.1:%UPSTREAM_PORT%; keepalive 8; }
    proxy_ssl_trusted_certificate %CA%;
    proxy_set_header Connection "";
EOC


sub new {
    my ($class, %option) = @_;
    my $prefix = File::Temp->newdir('katalo-test-XXXXXX', TMPDIR => 1);
    my $self = bless { %option, prefix => "$prefix", directory => $prefix,
                       ports => {}, mark => 0 }, $class;

    chmod 0755, $prefix if $self->{user};
    make_path(map { "$prefix/$_" } qw(conf keys logs temp html));

    $self->set_key($_, $self->{keys}{$_}) for keys %{ $self->{keys} // {} };

    return $self;
}


sub prefix { return $_[0]{prefix} }
sub port { return $_[0]->_claim('PORT', $_[1]) }
sub tls_port { return $_[0]->_claim('TLS_PORT', $_[1]) }
sub url { return 'http://127.0.0.1:' . $_[0]->port . ($_[1] // '/') }
sub tls_url { return 'https://localhost:' . $_[0]->tls_port . ($_[1] // '/') }


sub _claim {
    my ($self, $kind, $n) = @_;

    return $self->{ports}{$kind . ($n // '')} //= free_port();
}


sub set_key {
    my ($self, $name, $content) = @_;

    return $self->write_file("keys/$name", $content, 0600);
}


sub write_file {
    my ($self, $path, $content, $mode) = @_;
    my $whole = "$self->{prefix}/$path";

    open my $file, '>:raw', "$whole.new" or die "$whole.new: $!\n";
    chmod $mode // 0644, "$whole.new";
    print $file $content;
    close $file or die "$whole.new: $!\n";

    rename "$whole.new", $whole or die "$whole: $!\n";

    return $whole;
}


sub read_file { return slurp("$_[0]{prefix}/$_[1]") }
sub access_log { return $_[0]->read_file('logs/access.log') }


sub error_log {
    my ($self) = @_;
    my $log = $self->read_file('logs/error.log');

    return length $log < $self->{mark} ? $log : substr $log, $self->{mark};
}


sub mark_log {
    my ($self) = @_;

    $self->{mark} = length $self->read_file('logs/error.log');

    return;
}


sub wait_for_log {
    my ($self, $pattern, $timeout) = @_;

    return wait_until(sub { $self->error_log =~ $pattern }, $timeout);
}


# Replaces the placeholders in a text.
sub expand {
    my ($self, $text) = @_;

    $text =~ s/%([A-Z][A-Z0-9_]*(?::[\w.-]+)?)%/$self->_value($1)/ge;

    return $text;
}


sub _value {
    my ($self, $name) = @_;

    return $self->{vars}{$name} if exists $self->{vars}{$name};
    return $self->expand($block{$name}) if exists $block{$name};
    return $self->port($1) if $name =~ /^PORT(\d*)$/;
    return $self->tls_port($1) if $name =~ /^TLS_PORT(\d*)$/;
    return "$self->{prefix}/keys/$1" if $name =~ /^KEY:(.*)/;
    return $self->{prefix} if $name eq 'PREFIX';
    return $self->{upstream}->port if $name eq 'UPSTREAM_PORT';
    return $self->{upstream}->plain_port if $name eq 'UPSTREAM_PLAIN_PORT';
    return certificate('ca') if $name eq 'CA';
    return certificate('other_ca') if $name eq 'OTHER_CA';
    return certificate('server') if $name eq 'CERT';
    return certificate_key('server') if $name eq 'CERT_KEY';

    die "unknown placeholder %$name%\n";
}

1;
