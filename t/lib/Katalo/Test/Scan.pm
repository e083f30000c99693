package Katalo::Test::Scan;

# Where a secret is found: in files, in texts, and in what shows of a process.
# A place is a name and the number of the secret that is there, never the
# secret.
#
#   my $scan = Katalo::Test::Scan->new(@secrets);
#   $scan->text('what it is', $bytes);
#   $scan->directory($path, except => qr/.../);
#   $scan->process('worker', $pid, $directory_for_its_core);
#   $scan->places;  $scan->looked;

use strict;
use warnings;

use File::Find ();

use Katalo::Test::Memory qw(core_dump parts);
use Katalo::Test::Process qw(slurp);

use constant { BLOCK => 1 << 22, OVERLAP => 64 };


sub new {
    my ($class, @secrets) = @_;
    my @patterns = map { my $any = join '|', map { quotemeta } parts($_);
                         qr/$any/ } @secrets;

    return bless { patterns => \@patterns, places => [], looked => 0,
                   bytes => 0 }, $class;
}


sub places { return @{ $_[0]{places} } }

# how many texts, files and dumps there were, and how long they are together
sub looked { return $_[0]{looked} }
sub bytes { return $_[0]{bytes} }


sub text {
    my ($self, $name, $text) = @_;

    $self->{looked}++;

    return $self->_found($name, $self->_in($text));
}


sub file {
    my ($self, $name, $path) = @_;
    my ($tail, %found) = ('');

    open my $file, '<:raw', $path or return;
    $self->{looked}++;

    while (sysread $file, my $block, BLOCK) {
        $found{$_} = 1 for $self->_in($tail . $block);
        $tail = substr $block, -OVERLAP;
    }

    return $self->_found($name, sort keys %found);
}


sub directory {
    my ($self, $directory, %option) = @_;

    File::Find::find({ no_chdir => 1, wanted => sub {
        my $name = substr $_, length $directory;
        $self->file($name, $_)
            if -f && !($option{except} && $name =~ $option{except});
    } }, $directory);

    return;
}


# what everybody may see, what root may see, and a core dump, unless the process
# leaves meanwhile, as the one that loads nginx's cache does after a minute
sub process {
    my ($self, $name, $pid, $directory) = @_;

    $self->text("$name: $_", slurp("/proc/$pid/$_")) for qw(cmdline environ);

    my $core = eval { core_dump($pid, "$directory/core.$pid") };

    if (!$core) {
        return if slurp("/proc/$pid/cmdline") eq '';
        die $@;
    }

    $self->file("$name: core dump", $core);
    unlink $core, "$core.log";

    return;
}


sub _in {
    my ($self, $text) = @_;

    $self->{bytes} += length $text;

    return grep { $text =~ $self->{patterns}[$_] }
                0 .. $#{ $self->{patterns} };
}


sub _found {
    my ($self, $name, @numbers) = @_;

    push @{ $self->{places} }, map { "$name (secret $_)" } @numbers;

    return;
}

1;
