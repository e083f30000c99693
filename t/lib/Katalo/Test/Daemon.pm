package Katalo::Test::Daemon;

# A gateway whose master goes to the background, as most are started; only such
# a one can be upgraded.  It is used as any Katalo::Test.
#
# The pid file tells which master is meant; old_master_pid() is the one before
# it in the middle of an upgrade, or 0.

use strict;
use warnings;

use parent qw(Katalo::Test);

use Katalo::Test qw(wait_until redact);
use Katalo::Test::Process qw(children);

my $owner = $$;
my @prefixes;


sub new {
    my ($class, %option) = @_;
    my $self = $class->SUPER::new(daemon => 1, %option);

    # with the directory, which must be there until nginx is gone

    push @prefixes, $self->{directory};

    return $self;
}


sub start {
    my ($self) = @_;

    $self->_write_config('nginx.conf');
    my ($status, $output) = $self->_run($self->_command('nginx.conf'));

    die 'nginx does not run: ' . redact($output)
        if $status || !wait_until(sub {
            $self->master_pid && $self->worker_pids == $self->{workers}
        });

    return $self;
}


sub master_pid { return _pid("$_[0]{prefix}/logs/nginx.pid") }
sub old_master_pid { return _pid("$_[0]{prefix}/logs/nginx.pid.oldbin") }


# 0 if it is not running
sub _pid {
    my ($path) = @_;
    my ($pid) = Katalo::Test::Process::slurp($path) =~ /^(\d+)$/;

    return $pid && kill(0, $pid) ? $pid : 0;
}


sub is_running { return $_[0]->master_pid ? 1 : 0 }


sub signal {
    my ($self, $name) = @_;
    my $pid = $self->master_pid;

    return $pid && kill $name, $pid;
}


sub stop { return _end('TERM', $_[0]->master_pid) }
sub quit { return _end('QUIT', $_[0]->master_pid) }


# A master in the background has no wait status: 0 if it ended by itself.
sub _end {
    my ($signal, $pid) = @_;

    return 0 if !$pid;

    kill $signal, $pid;

    return 0 if wait_until(sub { !kill 0, $pid });

    kill 'KILL', children($pid), $pid;

    return 9;
}


sub DESTROY { return }


END {
    if ($$ == $owner) {
        local $?;

        for my $prefix (@prefixes) {
            _end('TERM', _pid("$prefix/logs/$_"))
                for qw(nginx.pid.oldbin nginx.pid nginx.pid);
        }
    }
}

1;
