using System;
using System.Collections.Generic;
using System.IO;
using System.Text;
using Hutch.Cli;
using Hutch.Cli.Debian;
using Hutch.Host.Time;
using Xunit;

namespace Hutch.Tests.Cli.Debian;

public sealed class DebianBuildTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("hutch-debian-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private static List<string> Progress(params string[] lines)
    {
        List<string> said = [];
        SteppingClock clock = new();
        MmdebstrapProgress listener = new(new BuildProgress(said.Add, null, clock));
        foreach (string line in lines)
        {
            clock.Now += 1_000_000_000;
            listener.Take(line);
        }
        return said;
    }

    [Fact]
    public void Downloads_are_told_with_rate_and_time_left()
    {
        List<string> said = Progress("Get:1 http://deb.debian.org bookworm InRelease [151 kB]", "0 upgraded, 2 newly installed, 0 to remove and 0 not upgraded.",
            "Need to get 8,000 kB of archives.".Replace(",", "", StringComparison.Ordinal), "Get:1 http://x a 1 [2000 kB]", "Get:2 http://x b 1 [2000 kB]", "Get:3 http://x c 1 [4000 kB]");
        Assert.Equal(["debian: downloading packages.", "debian: downloading packages: 2.0 of 8.0 MB", "debian: downloading packages: 4.0 of 8.0 MB, 1.0 MB/s, 4 s left"], said);
    }

    [Fact]
    public void Each_package_is_two_steps_and_never_more_than_all()
    {
        List<string> said = Progress("0 upgraded, 2 newly installed, 0 to remove and 0 not upgraded.", "Unpacking a (1) ...", "Unpacking b (1) ...", "Setting up a (1) ...", "Setting up b (1) ...", "Setting up b (1) ...");
        Assert.Equal(["debian: installing packages.", "debian: installing packages: 1 of 4", "debian: installing packages: 2 of 4, 2 s left", "debian: installing packages: 3 of 4, 1 s left"], said);
    }

    [Theory]
    [InlineData("")]
    [InlineData("Need to get ")]
    [InlineData("Need to get much of archives.")]
    [InlineData("Get:1 [")]
    [InlineData(" newly installed")]
    public void What_is_said_otherwise_is_passed_over(string line) => Assert.All(Progress("Need to get 1 MB of archives.", line)[1..], text => Assert.DoesNotContain("NaN", text, StringComparison.Ordinal));

    [Fact]
    public void All_that_the_host_lacks_is_in_one_sentence_with_the_mend()
    {
        UserException error = Assert.Throws<UserException>(() => HostTools.Check(path => !path.EndsWith("/mmdebstrap", StringComparison.Ordinal) && !path.EndsWith("mformat", StringComparison.Ordinal), "/usr/bin", isRoot: true));
        Assert.EndsWith("mmdebstrap, mformat. Install them: apt-get install mmdebstrap mtools", error.Message, StringComparison.Ordinal);
        Assert.EndsWith("newuidmap. Install them: sudo apt-get install uidmap", Assert.Throws<UserException>(() => HostTools.Check(path => !path.EndsWith("newuidmap", StringComparison.Ordinal), "", isRoot: false)).Message, StringComparison.Ordinal);
        HostTools.Check(_ => true, "", isRoot: false);
    }

    [Fact]
    public void All_public_keys_of_the_user_become_one_credential()
    {
        string ssh = Directory.CreateDirectory($"{_folder}/.ssh").FullName;
        File.WriteAllText($"{ssh}/id_rsa.pub", "ssh-rsa B\n");
        File.WriteAllText($"{ssh}/id_ed25519.pub", "ssh-ed25519 A\n");
        File.WriteAllText($"{ssh}/id_rsa", "secret");
        string keys = SshAccess.Keys(_folder);
        Assert.Equal("ssh-ed25519 A\nssh-rsa B", keys);
        string credential = SshAccess.Credential(keys);
        Assert.StartsWith("io.systemd.credential.binary:ssh.authorized_keys.root=", credential, StringComparison.Ordinal);
        Assert.Equal(keys + "\n", Encoding.UTF8.GetString(Convert.FromBase64String(credential[(credential.IndexOf('=', StringComparison.Ordinal) + 1)..])));
        Assert.Equal("", SshAccess.Keys($"{_folder}/nobody"));
    }

    private sealed class SteppingClock : IClock
    {
        internal long Now { get; set; }

        public long MonotonicNanoseconds => Now;

        public DateTimeOffset UtcNow => DateTimeOffset.UnixEpoch;
    }
}
