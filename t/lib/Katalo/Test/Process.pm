package Katalo::Test::Process;

# A child process that does not outlive the test, however the test ends.

use strict;
use warnings;

use Exporter qw(import);
use POSIX qw(:sys_wait_h);
use Scalar::Util qw(weaken);
use Time::HiRes qw(sleep clock_gettime CLOCK_MONOTONIC);

use Katalo::Test::Tool;

our @EXPORT_OK = qw(wait_until now children serves title slurp);

# Seconds that a busy machine may take for anything; a test that succeeds does
# not wait for their end.
use constant PATIENCE => 180;

my $owner = $$;
my %running;

$SIG{$_} //= sub { exit 1 } for qw(INT TERM HUP);


# command => [...], output => file, env => {name => value or undef}
sub spawn {
    my ($class, %option) = @_;

    my $pid = fork() // die "fork: $!\n";

    if ($pid == 0) {
        _exec(%option);
    }

    my $self = bless { pid => $pid }, $class;
    weaken($running{$pid} = $self);

    return $self;
}


sub _exec {
    my (%option) = @_;
    my $env = $option{env} // {};

    $SIG{$_} = 'DEFAULT' for qw(INT TERM HUP);

    open STDIN, '<', '/dev/null';
    open STDOUT, '>>', $option{output};
    open STDERR, '>&', \*STDOUT;

    for my $name (keys %$env) {
        defined $env->{$name} ? $ENV{$name} = $env->{$name}
                              : delete $ENV{$name};
    }

    # even a test that is killed takes its processes along
    my @guard = -x '/usr/bin/setpriv'
                ? ('/usr/bin/setpriv', '--pdeathsig', 'TERM') : ();

    exec @guard, @{ $option{command} } or POSIX::_exit(127);
}


sub pid { return $_[0]{pid} }


sub is_running {
    my ($self) = @_;

    return 0 if defined $self->{status};
    return 1 if waitpid($self->{pid}, WNOHANG) == 0;

    $self->{status} = $?;
    delete $running{$self->{pid}};

    return 0;
}


# The wait status, once the process is gone.
sub status { return $_[0]{status} }


sub signal {
    my ($self, $name) = @_;

    return $self->is_running && kill $name, $self->{pid};
}


# Ends the process, by force if it must be; returns its wait status.
sub stop {
    my ($self, $name, $timeout) = @_;

    $self->signal($name // 'TERM');

    if (!wait_until(sub { !$self->is_running }, $timeout)) {
        kill 'KILL', children($self->{pid}), $self->{pid};
        wait_until(sub { !$self->is_running }, 5);
    }

    return $self->{status};
}


sub DESTROY {
    my ($self) = @_;

    local ($?, $@, $!);
    $self->stop if $$ == $owner;
}


END {
    if ($$ == $owner) {
        my $status = $?;

        $_->stop for grep { defined } values %running;

        $? = $status || (Katalo::Test::Tool::reports() ? 1 : 0);
    }
}


# Seconds, by a clock that nobody sets.
sub now { return clock_gettime(CLOCK_MONOTONIC) }


# Waits until the condition holds; returns its last value.  A test that was held
# up itself looks once more.
sub wait_until {
    my ($condition, $timeout) = @_;
    my $end = now() + ($timeout // PATIENCE) * Katalo::Test::Tool::slowness();

    while (1) {
        my $late = now() > $end;
        my $result = $condition->();
        return $result if $result || $late;
        sleep 0.01;
    }
}


sub children {
    my ($parent) = @_;
    my @children;

    for my $stat (glob '/proc/[0-9]*/stat') {
        my $text = slurp($stat);
        my ($pid, $state, $ppid) = $text =~ /^(\d+) \(.*\) (\S) (\d+)/s
            or next;
        push @children, $pid if $ppid == $parent && $state ne 'Z';
    }

    return @children;
}


sub title {
    my ($pid) = @_;
    my $title = slurp("/proc/$pid/cmdline");

    $title =~ tr/\0/ /;
    $title =~ s/\s+$//;

    return $title;
}


# Does it have both an event loop and a listening socket?  A worker makes the
# one when it is initialized, and closes the other when it begins to leave.
sub serves {
    my ($pid) = @_;
    my %has = map { (readlink $_ // '') => 1 } glob "/proc/$pid/fd/*";

    return $has{'anon_inode:[eventpoll]'}
           && grep { $has{"socket:[$_]"} }
                   slurp("/proc/$pid/net/tcp")
                   =~ /^ *\d+: \S+ \S+ 0A (?:\S+ +){5}(\d+)/mg;
}


# A file's content; none where it cannot be read.
sub slurp {
    my ($path) = @_;

    open my $file, '<:raw', $path or return '';
    local $/;

    return scalar <$file> // '';
}

1;
