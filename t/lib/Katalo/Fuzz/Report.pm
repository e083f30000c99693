package Katalo::Fuzz::Report;

# A case as it is shown, and as it is kept; never with a key.

use strict;
use warnings;

use Exporter qw(import);
use JSON::PP;

use Katalo::Fuzz::Requests qw(bytes);
use Katalo::Test::Secrets qw(redact);

our @EXPORT_OK = qw(show keep);


sub show {
    my ($trial, $case, $detail) = @_;
    my $n = 0;
    my $requests = join '', map { bytes($_, ++$n) . "\n" }
                            @{ $case->{requests} };

    $requests =~ s/\r//g;
    $requests =~ s/[^\x20-\x7e\n]/?/g;

    return redact(join "\n", _text($case->{tree}, ''), $requests,
                             _short($detail), '');
}


sub _text {
    my ($nodes, $indent) = @_;

    return join '', map {
        ref ? "$indent$_->[0] {\n" . _text([@$_[1 .. $#$_]], "$indent    ")
              . "$indent}\n"
            : "$indent$_;\n"
    } @$nodes;
}


# of a report what tells the place
sub _short {
    my ($text) = @_;

    $text =~ s/[^\x20-\x7e\n]/?/g;

    if ($text =~ /Sanitizer|runtime error/) {
        $text = join "\n", grep { /ERROR|runtime error|^\s*#\d\s/ }
                           split /\n/, $text;
    }

    return substr $text, 0, 1500;
}


sub keep {
    my ($path, $case) = @_;

    open my $file, '>', "$path.$$" or die "$path: $!\n";
    print $file JSON::PP->new->ascii->canonical->pretty->indent_length(1)
                ->encode($case);
    close $file or die "$path: $!\n";

    return rename "$path.$$", $path;
}

1;
