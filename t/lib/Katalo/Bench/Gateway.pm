package Katalo::Bench::Gateway;

# One process that serves, by itself or under a tool, and the connection that
# it is measured with.
#
#   my $gateway = Katalo::Bench::Gateway->new(row => $row, key => $key,
#       backend => $backend, tool => [qw(strace -o ...)], still => 1);
#   $gateway->requests(100);      # the first of them is marked
#   $gateway->pid; $gateway->port; $gateway->stop;
#
# A row is one of Katalo::Bench::Rows.  "still" is t/bench/still.c.

use strict;
use warnings;

use parent qw(Katalo::Test::Prefix);

use File::Basename qw(dirname);
use File::Temp;
use IO::Socket::INET;

use Katalo::Test::Client;
use Katalo::Test::Nginx;
use Katalo::Test::Process qw(wait_until);
use Katalo::Test::Secrets qw(redact);

my $source = dirname(__FILE__) . '/../../../bench/still.c';
my $directory;


sub new {
    my ($class, %option) = @_;
    my $row = $option{row};
    my $self = $class->SUPER::new(
        %option, keys => { production => $option{key} },
        vars => { SECRET => $option{key}, BACKEND => $option{backend}->port,
                  TLS_BACKEND => $option{backend}->tls_port });

    $row->{prepare}->($self, $option{key}) if $row->{prepare};

    $self->{process} = Katalo::Test::Process->spawn(
        command => [@{ $option{tool} // [] }, $self->_command],
        output => "$self->{prefix}/logs/output",
        env => $option{still} ? { LD_PRELOAD => _library() } : {});

    wait_until(sub { $self->_is_open || !$self->{process}->is_running }, 600);

    die "$row->{name} does not run: " . redact(
        $self->read_file('logs/output') . $self->read_file('logs/error.log'))
        if !$self->{process}->is_running;

    return $self;
}


# A port that is taken cannot be told from one that serves: it is this one's.
sub _is_open {
    my ($self) = @_;

    return IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                 PeerPort => $self->port);
}


sub _command {
    my ($self) = @_;
    my $row = $self->{row};

    if ($row->{haproxy}) {
        $self->write_file('conf/haproxy.cfg', $self->expand($row->{haproxy}),
                          0600);
        return ('/usr/sbin/haproxy', '-db', '-f',
                "$self->{prefix}/conf/haproxy.cfg");
    }

    local $ENV{TEST_NGINX_LOAD} = join ' ', @{ $row->{modules} // [] };
    local $ENV{TEST_NGINX_MODULE} = '' if !$row->{module};

    my $text = Katalo::Test::Nginx::config(
        main => 'master_process off; ' . ($row->{main} // ''), workers => 1,
        http => $row->{http});

    $self->write_file('conf/nginx.conf', $self->expand($text), 0600);

    return Katalo::Test::Nginx::command($self->{prefix}, 'nginx.conf');
}


sub requests {
    my ($self, $count) = @_;
    my $row = $self->{row};
    my ($method, $target, @headers) = @{ $row->{request} };

    $self->{client} //= Katalo::Test::Client->new(
        port => $self->port, timeout => 300, %{ $row->{client} // {} });

    for my $n (1 .. $count) {
        my $response = $self->{client}->request($method, $target, headers => [
            @headers, 'X-Mark: ' . ($n == 1 ? 1 : 0)]);

        die "$row->{name}: status " . $response->status . "\n"
            if $response->status != $row->{status};
    }

    return;
}


sub pid { return $_[0]{process}->pid }
sub stop { return $_[0]{process}->stop('KILL') }


sub _library {
    if (!$directory) {
        $directory = File::Temp->newdir('katalo-bench-XXXXXX', TMPDIR => 1);

        system('cc', qw(-O2 -fPIC -shared -fno-builtin -Wall -Wextra -Werror),
               '-o', "$directory/still.so", $source) == 0
            or die "cc: $?\n";
    }

    return "$directory/still.so";
}

1;
