package Katalo::Test::Metrics;

# Prometheus' text format, read strictly.
#
#   my $metrics = metrics($text);
#   $metrics->{series}{'name{label="value"}'};   # its value, as text
#   $metrics->{counter}{...};                    # those that never go down
#   $metrics->{faults};                          # what is wrong with the text

use strict;
use warnings;

use Exporter qw(import);

our @EXPORT_OK = qw(metrics);

my $name = qr/[a-zA-Z_:][a-zA-Z0-9_:]*/;
my $label = qr/[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\"n])*"/;
my $number = qr/\d+(?:\.\d+)?/;


sub metrics {
    my ($text) = @_;
    my $self = bless { series => {}, counter => {}, type => {}, help => {},
                       faults => [] }, __PACKAGE__;
    my $family = '';

    $self->_fault('no line end') if $text !~ /\n\z/;

    for my $line (split /\n/, $text) {

        if ($line =~ /^# HELP ($name) (\S.*)$/) {
            $self->_fault("again: $line") if $self->{help}{$1};
            $self->{help}{$1} = $2;
            $family = $1;

        } elsif ($line =~ /^# TYPE ($name) (counter|gauge|histogram)$/) {
            $self->_fault("out of place: $line")
                if $1 ne $family || $self->{type}{$1};
            $self->{type}{$1} = $2;

        } elsif ($line =~ /^(($name)(?:\{$label(?:,$label)*\})?) ($number)$/) {
            $self->_add($family, $2, $1, $3);

        } else {
            $self->_fault("not understood: $line");
        }
    }

    $self->_check_histograms;

    return $self;
}


sub _add {
    my ($self, $family, $metric, $series, $value) = @_;
    my $type = $self->{type}{$family} // '';
    my $expected = $type eq 'histogram' ? qr/^\Q$family\E_(?:bucket|sum|count)$/
                                        : qr/^\Q$family\E$/;

    $self->_fault("outside of its family: $series") if $metric !~ $expected;
    $self->_fault("again: $series") if exists $self->{series}{$series};
    $self->_fault("no counter's name: $series")
        if ($type eq 'counter') != ($metric =~ /_total$/ ? 1 : 0);

    $self->{series}{$series} = $value;
    $self->{counter}{$series} = 1 if $type ne 'gauge';

    return;
}


sub _check_histograms {
    my ($self) = @_;
    my %buckets;

    for my $series (keys %{ $self->{series} }) {
        next if $series !~ /^(.*)_bucket\{(.*),le="([^"]*)"\}$/;
        $buckets{"$1_count{$2}"}{$3} = $self->{series}{$series};
    }

    for my $count (sort keys %buckets) {
        my %bucket = %{ $buckets{$count} };
        my $last = delete $bucket{'+Inf'} // -1;
        my @counts = ((map { $bucket{$_} } sort { $a <=> $b } keys %bucket),
                      $last);

        $self->_fault("not cumulative: $count")
            if grep { $counts[$_] > $counts[$_ + 1] } 0 .. $#counts - 1;
        $self->_fault("not the last bucket: $count")
            if $last != ($self->{series}{$count} // -2);
    }

    return;
}


sub _fault {
    my ($self, $fault) = @_;

    push @{ $self->{faults} }, $fault;

    return;
}

1;
