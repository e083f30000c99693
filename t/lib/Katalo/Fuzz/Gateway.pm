package Katalo::Fuzz::Gateway;

# One nginx, one process, with what it reported.

use strict;
use warnings;

use File::Path qw(make_path remove_tree);
use IO::Socket::INET;
use POSIX qw(:sys_wait_h);
use Time::HiRes qw(sleep time);

use Katalo::Fuzz::Identity qw(password_file);

# seconds that a busy machine may take to start or end it
use constant PATIENCE => 60;


# directory, port, keys, nginx
sub new {
    my ($class, %option) = @_;
    my $self = bless { %option }, $class;

    make_path("$self->{directory}/html");
    $self->_write("html/index.html", "index\n", 0644);
    $self->_write('users', password_file(), 0644);

    return $self;
}


sub _write {
    my ($self, $name, $text, $mode) = @_;
    my $path = "$self->{directory}/$name";

    open my $file, '>', $path or die "$path: $!\n";
    chmod $mode, $path;
    print $file $text;
    close $file or die "$path: $!\n";

    return;
}


# Without waiting for it.
sub launch {
    my ($self, $config, $keys) = @_;
    my $d = $self->{directory};

    remove_tree("$d/cache");
    unlink "$d/pid", "$d/error.log", "$d/usage.log", glob "$d/report*";
    $self->_write('nginx.conf', $config, 0600);
    $self->_write("$_.key", "$keys->{$_}\n", 0600) for keys %$keys;
    delete $self->{status};

    my $options = join ':', "log_path=$d/report",
                       qw(detect_leaks=0 print_stacktrace=1 handle_abort=1
                          allow_addr2line=1 detect_stack_use_after_return=0);

    my $pid = fork // die "fork: $!\n";

    if (!$pid) {
        open STDOUT, '>', "$d/output";
        open STDERR, '>&', \*STDOUT;
        $ENV{ASAN_OPTIONS} = $ENV{UBSAN_OPTIONS} = $options;
        exec $self->{nginx}, '-p', $d, '-c', "$d/nginx.conf",
             '-e', "$d/error.log" or POSIX::_exit(127);
    }

    $self->{pid} = $pid;

    return;
}


# "up", "refused" by nginx, or "died".  It listens before it knows what to do
# with a signal, and writes its pid then.
sub wait_up {
    my ($self) = @_;
    my $end = time + PATIENCE;

    while (1) {
        my $late = time >= $end;

        if (!$self->is_running) {
            return $self->reports || $self->{status} != 256 ? 'died'
                                                             : 'refused';
        }

        return 'up' if -s "$self->{directory}/pid"
                       && IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                                PeerPort => $self->{port});
        return 'died' if $late;
        sleep 0.004;
    }
}


sub is_running {
    my ($self) = @_;

    return 0 if !$self->{pid} || defined $self->{status};

    if (waitpid($self->{pid}, WNOHANG) == $self->{pid}) {
        $self->{status} = $?;
        return 0;
    }

    return 1;
}


# The wait status.  A single process that is about to wait for events does not
# see a signal until the next one comes, so it gets another.
sub stop {
    my ($self) = @_;

    if ($self->is_running) {
        my ($end, $next) = (time + PATIENCE, 0);

        while ($self->is_running && time < $end) {
            if (time >= $next) {
                kill 'TERM', $self->{pid};
                $next = time + 1;
            }

            sleep 0.002;
        }

        if ($self->is_running) {
            kill 'KILL', $self->{pid};
            waitpid $self->{pid}, 0;
            $self->{status} = 'hung';
        }
    }

    return $self->{status};
}


sub _slurp {
    my ($path) = @_;

    open my $file, '<:raw', $path or return '';
    local $/;

    return scalar <$file> // '';
}


sub error_log { return _slurp("$_[0]{directory}/error.log") }
sub usage_log { return _slurp("$_[0]{directory}/usage.log") }
sub output { return _slurp("$_[0]{directory}/output") }
sub reports { return join '', map { _slurp($_) }
                              glob "$_[0]{directory}/report*" }


sub DESTROY {
    my ($self) = @_;

    local ($?, $@, $!);
    $self->stop if $self->{pid};
}

1;
