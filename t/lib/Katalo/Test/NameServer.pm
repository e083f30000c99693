package Katalo::Test::NameServer;

# dnsmasq on a port of 127.0.0.1.
#
#   my $names = Katalo::Test::NameServer->new(localhost => ['127.0.0.2'])
#   $names->port
#   $names->set(localhost => ['127.0.0.2', '127.0.0.3'])    # at once
#   $names->stop, $names->start(%addresses)                 # the same port
#   $names->questions                         # how many it got for addresses
#   $names->questions('AAAA')                 # for IPv6 addresses
#
# A name without addresses does not exist (NXDOMAIN).  TTL is one second.

use strict;
use warnings;

use File::Temp;

use Katalo::Test::Port qw(free_port);
use Katalo::Test::Process qw(wait_until slurp);


sub new {
    my ($class, %addresses) = @_;
    my $directory = File::Temp->newdir('katalo-names-XXXXXX', TMPDIR => 1);
    my $self = bless { directory => $directory, port => free_port() }, $class;

    chmod 0755, $directory;

    return $self->start(%addresses);
}


sub port { return $_[0]{port} }


sub start {
    my ($self, %addresses) = @_;
    my $read = $self->_times_read;

    $self->_write(%addresses);

    $self->{process} = Katalo::Test::Process->spawn(
        command => ['/usr/sbin/dnsmasq', '--keep-in-foreground',
                    '--conf-file=/dev/null', '--pid-file', '--user=',
                    "--port=$self->{port}", '--listen-address=127.0.0.1',
                    '--bind-interfaces', '--no-resolv', '--no-hosts',
                    '--local=/localhost/test/', '--local-ttl=1',
                    '--addn-hosts=' . $self->_path('hosts'),
                    '--log-queries', '--log-facility=-'],
        output => $self->_path('log'));

    wait_until(sub { $self->_times_read > $read })
        or die 'dnsmasq: ' . slurp($self->_path('log'));

    return $self;
}


sub stop { return $_[0]{process}->stop('TERM') }


sub set {
    my ($self, %addresses) = @_;
    my $read = $self->_times_read;

    $self->_write(%addresses);
    $self->{process}->signal('HUP');
    wait_until(sub { $self->_times_read > $read })
        or die "dnsmasq does not read its file again\n";

    return;
}


sub questions {
    my ($self, $type) = @_;

    $type //= 'A';

    return scalar(() = slurp($self->_path('log')) =~ /: query\[$type\] /g);
}


sub _write {
    my ($self, %addresses) = @_;

    open my $file, '>', $self->_path('hosts') or die "hosts: $!\n";

    for my $name (sort keys %addresses) {
        print $file "$_ $name\n" for @{ $addresses{$name} };
    }

    close $file or die "hosts: $!\n";

    return;
}


sub _times_read {
    my ($self) = @_;

    return 0 if !-e $self->_path('log');
    return scalar(() = slurp($self->_path('log')) =~ m{: read \S+/hosts }g);
}


sub _path { return "$_[0]{directory}/$_[1]" }

1;
