package Katalo::Fuzz::Run;

# A run: the corpus first, then new gateways until the time is over; what was
# found, once for each signature.

use strict;
use warnings;

use File::Path qw(make_path);
use IO::Select;
use JSON::PP;
use Time::HiRes qw(time);

use Katalo::Fuzz::Difference qw(differences);
use Katalo::Fuzz::Grammar qw(make_tree);
use Katalo::Fuzz::Oracle qw(invariants);
use Katalo::Fuzz::Report qw(show keep);
use Katalo::Fuzz::Requests qw(make_requests);
use Katalo::Fuzz::Shrink qw(shrink copy);
use Katalo::Fuzz::Trial;
use Katalo::Test::Certificates qw(certificate);

use constant { SHRINK => 20,        # seconds for each
               PATIENCE => 5 };


sub new {
    my ($class, %option) = @_;

    return bless { shrink => 1, %option, begun => time, classes => {},
                   cases => 0, requests => 0, refused => 0, once => 0 }, $class;
}


sub run {
    my ($self) = @_;

    die "$self->{nginx}: not to be run\n" if !-x $self->{nginx};

    $self->{has} = _features($self->{nginx});
    certificate('ca');
    make_path($self->{found});
    printf "fuzz-conf: seed %d\n", $self->{seed};
    $| = 1;
    local $SIG{PIPE} = 'IGNORE';

    my $jobs = defined $self->{only} || $self->{replay} ? 1 : $self->{jobs};
    my @pipes;

    for my $job (0 .. $jobs - 1) {
        pipe my $in, my $out or die "pipe: $!\n";
        my $pid = fork // die "fork: $!\n";

        if (!$pid) {
            close $in;
            my $ok = eval { $self->_work($job, $jobs, $out); 1 };
            print "worker: $@" if !$ok;
            exit !$ok;
        }

        close $out;
        push @pipes, [$in, $pid];
    }

    return $self->_gather(@pipes);
}


sub _features {
    my ($nginx) = @_;
    my $build = `$nginx -V 2>&1`;
    my ($version) = $build =~ m{^nginx version: \S+/1\.(\d+)}m;

    return { slice => $build =~ /http_slice_module/ ? 1 : 0,
             hints => ($version // 0) >= 29 };
}


sub _work {
    my ($self, $job, $jobs, $out) = @_;

    $self->{trial} = Katalo::Fuzz::Trial->new($self->{nginx});

    my @kept = $self->{replay} ? @{ $self->{replay} }
               : defined $self->{only} ? ()
               : glob "$self->{corpus}/*.json";

    for my $i (grep { $_ % $jobs == $job } 0 .. $#kept) {
        $self->_try(_read($kept[$i]), $kept[$i], $out);
    }

    my $i = $self->{only} // $job;

    while (!$self->{replay} && time < $self->{begun} + $self->{time}) {
        my $stop = $self->_try($self->_make($i), $i, $out);

        last if $stop || defined $self->{only}
                || -e "$self->{found}/.stop-$self->{seed}";
        $i += $jobs;
    }

    print $out encode_json({ end => 1, map { $_ => $self->{$_} }
                             qw(cases requests refused once) }), "\n";

    return;
}


sub _read {
    my ($path) = @_;

    open my $file, '<', $path or die "$path: $!\n";
    local $/;

    return decode_json(<$file>);
}


# Each gateway of a seed by itself.
sub _make {
    my ($self, $i) = @_;

    srand($self->{seed} * 1_000_003 + $i);
    my $tree = make_tree($self->{has});

    return { tree => $tree, requests => make_requests($tree) };
}


sub _judge {
    my ($self, $case) = @_;
    my $trial = $self->{trial};
    my $result = $trial->run($case);
    my $started = join ' ', map { $result->{started}{$_} // '' } qw(a b);
    my @failures = invariants($case, $result, $trial->keys_of);

    if ($started eq 'up up') {
        push @failures, differences($case, $result, $trial->keys_of,
            { map { $_ => $trial->{upstream}->ports($_) } qw(a b) });

    } elsif ($started eq 'up refused') {
        push @failures, ['start:refused without a key only',
                         $result->{b}{log} . $result->{b}{output}];
    }

    return ($result, @failures);
}


sub _try {
    my ($self, $case, $name, $out) = @_;
    my ($result, @failures) = $self->_judge($case);

    $self->{cases}++;
    $self->{requests} += @{ $result->{answers} };
    $self->{refused}++ if $result->{started}{a} eq 'refused';

    if ($ENV{FUZZ_CONF_DEBUG} && $result->{started}{a} eq 'refused') {
        print grep { /emerg/ } map { "$_\n" } split /\n/,
              $result->{a}{log} . $result->{a}{output};
    }

    # the first of them: what follows may follow from it
    my ($failure) = @failures or return 0;
    my ($signature, $detail) = @$failure;

    if (!$self->_again($case, $signature)) {
        $self->{once}++;
        print "once only: gateway $name, $signature\n";
        return 0;
    }

    my $class = $signature . _origin($case);
    my $new = !$self->{classes}{$class}++;

    if ($new && $self->{shrink} && !-e $self->_path($class)) {
        $case = shrink($case, sub {
            my (undef, @now) = $self->_judge($_[0]);
            for (grep { $_->[0] eq $signature } @now) {
                $detail = $_->[1];
                return 1;
            }
            return 0;
        }, SHRINK);
    }

    if ($new) {
        keep($self->_path($class), $case) if !-e $self->_path($class);
    }

    print $out encode_json({ signature => $class, name => $name,
        cases => $self->{cases}, seconds => time - $self->{begun},
        $new ? (text => show($self->{trial}, $case, $detail)) : () }), "\n";
    $out->flush;

    return defined $self->{until} && $class =~ /$self->{until}/;
}


# A death counts always; what else does not come again each time, where all may
# take longer, was a matter of time, as more often whether a kept connection is
# still there.
sub _again {
    my ($self, $case, $signature) = @_;

    return 1 if $signature =~ /^(?:asan|exit|log|key)/;

    $self->{trial}->patience(PATIENCE);

    my $again = 1;

    for (1 .. ($signature =~ /count/ ? 10 : 3)) {
        my (undef, @now) = $self->_judge($case);
        $again &&= grep { $_->[0] eq $signature } @now or last;
    }

    $self->{trial}->patience(1);

    return $again;
}


# The same failure has several causes: which of them may it be?
sub _origin {
    my ($case) = @_;
    my $text = encode_json($case->{tree});
    my @may = ($text =~ /proxy_set_(?:header|body)[^,]*\$katalo_/ ? 'variable'
               : (), $text =~ /proxy_ssl_name \$/ ? 'ssl_name' : (),
               $text =~ /katalo_bearer \$/ ? 'tenant' : ());

    return @may ? " (@may)" : '';
}


sub _path {
    my ($self, $signature) = @_;

    $signature =~ s/[^\w.-]+/-/g;

    return "$self->{found}/$self->{seed}-" . substr($signature, 0, 80)
           . '.json';
}


sub _gather {
    my ($self, @pipes) = @_;
    my $select = IO::Select->new(map { $_->[0] } @pipes);
    my (%classes, %total);

    while (my @ready = $select->can_read) {
        for my $in (@ready) {
            my $line = <$in>;

            if (!defined $line) {
                $select->remove($in);
                next;
            }

            $self->_note(decode_json($line), \%classes, \%total);
        }
    }

    for (@pipes) {
        waitpid $_->[1], 0;
        $total{broken}++ if $?;
    }

    unlink "$self->{found}/.stop-$self->{seed}";

    return $self->_end(\%classes, \%total);
}


sub _note {
    my ($self, $event, $classes, $total) = @_;

    if ($event->{end}) {
        $total->{$_} += $event->{$_} for qw(cases requests refused once);
        return;
    }

    my $class = $classes->{ $event->{signature} } //= { n => 0, %$event };

    printf "\n== %s\n== gateway %s of seed %d, after %.0f s\n%s"
           . "again: %s %s --replay=%s\n",
           $event->{signature}, $event->{name}, $self->{seed},
           $event->{seconds}, $event->{text}, $0, $self->{nginx},
           $self->_path($event->{signature}) if !$class->{n}++;

    if (defined $self->{until} && $event->{signature} =~ /$self->{until}/) {
        open my $stop, '>', "$self->{found}/.stop-$self->{seed}";
    }

    return;
}


sub _end {
    my ($self, $classes, $total) = @_;
    my $failures = 0;

    print "\n" if %$classes;

    for (sort { $classes->{$a}{seconds} <=> $classes->{$b}{seconds} }
              keys %$classes)
    {
        my $class = $classes->{$_};
        $failures += $class->{n};
        printf "%6d  first %s, %.0f s  %s\n", $class->{n}, $class->{name},
               $class->{seconds}, $_;
    }

    printf "fuzz-conf: %d differences did not come again\n", $total->{once}
        if $total->{once};
    printf "fuzz-conf: seed %d, %d configurations (%d refused by nginx -t), "
           . "%d requests, %d failures, %.0f s\n", $self->{seed},
           map({ $total->{$_} // 0 } qw(cases refused requests)), $failures,
           time - $self->{begun};

    # nothing is tested where nginx refuses all of it
    return $failures || $total->{broken} || !$total->{cases}
           || 2 * $total->{refused} > $total->{cases} ? 1 : 0;
}

1;
