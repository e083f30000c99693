package Katalo::Test::Debugger;

# A process that is stopped, or killed, at a chosen place of its own code.
#
#   my $gdb = Katalo::Test::Debugger->new($pid, 'break main', 'continue');
#                               # it is about to do the first "continue"
#   $gdb->reached or die;       # it has done all of the commands and waits
#   $gdb->kill;                 # kills the process where it is, or
#   $gdb->release;              # lets it go on
#
#   writes_to($pid, $path)      commands that stop it in write() to this file
#
# Needs gdb, the right to trace, and the module's debugging symbols.

use strict;
use warnings;

use Exporter qw(import);
use File::Temp;
use POSIX ();

use Katalo::Test::Process qw(wait_until slurp);

our @EXPORT_OK = qw(writes_to);

# Seconds that a busy machine may take to read the symbols, and to get there.
use constant PATIENCE => 300;

# the first argument of a system call
my %argument = (x86_64 => '$rdi', aarch64 => '$x0');


sub writes_to {
    my ($pid, $path) = @_;
    my ($fd) = map { m{(\d+)$} } grep { (readlink $_ // '') eq $path }
                                      glob "/proc/$pid/fd/*";
    my $machine = (POSIX::uname())[4];

    die "$pid has no $path\n" if !defined $fd;

    return ('catch syscall write', 'condition $bpnum '
            . ($argument{$machine} // die "registers of $machine\n")
            . " == $fd", 'continue');
}


sub new {
    my ($class, $pid, @commands) = @_;
    my $dir = File::Temp->newdir;
    my ($first) = grep { $commands[$_] eq 'continue' } 0 .. $#commands;
    my $self = bless { dir => $dir, target => $pid, owner => $$ }, $class;

    splice @commands, $first, 0, "shell touch $dir/ready";

    open my $script, '>', "$dir/script" or die "$dir/script: $!\n";
    print {$script} "$_\n"
        for 'set pagination off', 'handle all nostop noprint pass', @commands,
            "shell touch $dir/reached",
            "shell until [ -e $dir/go ]; do sleep .05; done",
            "source $dir/end";
    close $script or die "$dir/script: $!\n";

    $self->{pid} = fork() // die "fork: $!\n";

    if ($self->{pid} == 0) {
        open STDIN, '<', '/dev/null' or POSIX::_exit(127);
        open STDOUT, '>', "$dir/output" or POSIX::_exit(127);
        open STDERR, '>&', \*STDOUT or POSIX::_exit(127);
        exec('gdb', '-q', '-nx', '-batch', '-p', $pid, '-x', "$dir/script")
            or POSIX::_exit(127);
    }

    $self->_is_there('ready') or die $self->output;

    return $self;
}


sub _is_there {
    my ($self, $name) = @_;
    my $path = "$self->{dir}/$name";

    wait_until(sub {
        return -e $path
               || waitpid($self->{pid}, POSIX::WNOHANG()) == $self->{pid};
    }, PATIENCE);

    return -e $path;
}


sub reached { return $_[0]->_is_there('reached') }


sub output { return slurp("$_[0]{dir}/output") }


sub kill {
    my ($self) = @_;

    # what is not there yet would never see it

    CORE::kill('KILL', $self->{pid}, $self->{target})
        if !-e "$self->{dir}/reached";

    return $self->_end('kill');
}


sub release { return $_[0]->_end('detach') }


sub _end {
    my ($self, $command) = @_;

    for my $name ('end', 'go') {
        open my $file, '>', "$self->{dir}/$name" or die "$name: $!\n";
        print {$file} "$command\n";
        close $file;
    }

    waitpid($self->{pid}, 0);
    delete $self->{pid};

    return;
}


sub DESTROY {
    my ($self) = @_;

    return if !$self->{pid} || $self->{owner} != $$;

    local ($?, $!);
    CORE::kill('KILL', $self->{pid});
    waitpid($self->{pid}, 0);

    return;
}

1;
