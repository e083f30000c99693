package Katalo::Demo::Narrator;

# Prints what it does and checks what comes of it: curl lines that can be
# repeated, answers, progress.  Counts what it asked for, by operation.

use strict;
use warnings;

use Time::HiRes qw(sleep);

use Katalo::Test qw(curl redact);


# A call that must succeed; returns what its JSON holds.
sub _call {
    my ($self, $operation, $path, $status, @arguments) = @_;
    my $response = $self->_curl($path, @arguments);

    $self->{made}{$operation}++;
    $self->_check($response->status == $status,
                  "$operation is answered with $status");

    die "the demo cannot go on without it\n" if $response->status != $status;

    return $response->json;
}


sub _poll {
    my ($self, $path, $wanted) = @_;
    my ($last, $job) = ('');

    print '  $ ', $self->_line($path), "\n    ";

    for (1 .. 300) {
        my $response = curl($self->{gateway}->url("/katalo/$path"));
        $self->{made}{read}++;

        $job = $response->status == 200 ? $response->json
                                        : { status => $response->status };
        print $job->{status} eq $last ? '.' : " $job->{status}";
        $last = $job->{status};
        last if $last !~ /^(?:ingesting|queued|running)$/;
        sleep 0.2;
    }

    print "\n";
    $self->_check($last eq $wanted, "it becomes $wanted");

    return $job;
}


sub _curl {
    my ($self, $path, @arguments) = @_;

    print '  $ ', redact($self->_line($path, @arguments)), "\n";

    my $response = curl($self->{gateway}->url("/katalo/$path"), @arguments);
    my $body = $response->body;

    print '    ', $response->status, ' ', redact(substr $body, 0, 160),
          length $body > 160 ? '...' : '', "\n";

    return $response;
}


sub _line {
    my ($self, $path, @arguments) = @_;

    return join ' ', 'curl', map { /[^\w.:\/=@-]/ ? "'$_'" : $_ }
                @arguments, $self->{gateway}->url("/katalo/$path");
}


sub _upload_arguments {
    my ($self) = @_;
    my $image = $self->{gateway}->prefix . '/room.png';

    return (-H => "Idempotency-Key: $self->{tag}-source",
            -F => "file=\@$image");
}


sub _write {
    my ($self, $name, $json) = @_;

    return (-H => "Idempotency-Key: $self->{tag}-$name",
            -H => 'Content-Type: application/json', -d => $json);
}


sub _sum {
    my ($self) = @_;
    my $sum = 0;

    $sum += $_ for values %{ $self->{made} };

    return $sum;
}


sub _title {
    my ($self, $text) = @_;

    printf "\n%d. %s\n", ++$self->{step}, $text;
}


sub _equal {
    my ($self, $got, $expected, $what) = @_;

    return $self->_check(($got // 0) == $expected,
                         "$what: $expected"
                         . (($got // 0) == $expected ? '' : ', not '
                            . ($got // 'none')));
}


sub _check {
    my ($self, $good, $text) = @_;

    print $good ? "    ok: $text\n" : "    FAILED: $text\n";
    $self->{failed}++ if !$good;

    return $good;
}

1;
