using System;
using System.Text.Json;
using System.Threading.Tasks;
using Xunit;

namespace Hutch.GuestTests;

public sealed class BadInputTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(1, "--kernel '/nonexistent'", "--kernel", "/nonexistent")]
    [InlineData(1, "not a kernel", "--kernel", "/etc/passwd")]
    [InlineData(1, "is empty", "--kernel", "/dev/null")]
    [InlineData(1, "--initrd '/nonexistent'", "--kernel", "/etc/passwd", "--initrd", "/nonexistent")]
    [InlineData(1, "too small", "--memory", "1K")]
    [InlineData(1, "this host has only", "--memory", "900T")]
    [InlineData(2, "--memory 'lots'", "--memory", "lots")]
    [InlineData(2, "'--wibble'", "--wibble")]
    [InlineData(2, "'--wibble'", "--kernel", "/etc/passwd", "--wibble", "5")]
    [InlineData(2, "--memory", "--memory")]
    [InlineData(1, "abacus", "--cpu", "abacus")]
    [InlineData(1, "abacus", "--cpu", "max,+abacus")]
    [InlineData(2, "--cpus '0'", "--cpus", "0")]
    [InlineData(2, "--cpus '100000'", "--cpus", "100000")]
    [InlineData(1, "--disk '/nonexistent'", "--disk", "/nonexistent")]
    [InlineData(2, "qcow9", "--disk", "/etc/passwd,format=qcow9")]
    [InlineData(2, "--engine 'magic'", "--engine", "magic")]
    [InlineData(2, "--serial 'tty'", "--serial", "tty")]
    [InlineData(1, "/nonexistent/log", "--serial", "file:/nonexistent/log")]
    [InlineData(2, "floppy", "--device", "floppy")]
    [InlineData(1, "/nonexistent", "/nonexistent.img")]
    public async Task Bad_input_gives_one_sentence_and_its_status(int status, string part, params string[] arguments)
    {
        (int actual, string output, string errors) = await Launcher.Run(["run", .. arguments]);
        string sentence = Assert.Single(errors.TrimEnd('\n').Split('\n'));
        Assert.Contains(part, sentence, StringComparison.Ordinal);
        Assert.StartsWith("hutch", sentence, StringComparison.Ordinal);
        Assert.EndsWith(".", sentence, StringComparison.Ordinal);
        Assert.Equal("", output);
        Assert.Equal(status, actual);
    }

    [Fact]
    public async Task A_kernel_that_does_not_fit_is_refused()
    {
        (int status, _, string errors) = await Launcher.Run("run", "--memory", "16M");
        Assert.Equal(1, status);
        Assert.EndsWith(".", Assert.Single(errors.TrimEnd('\n').Split('\n')), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_initrd_that_does_not_fit_is_refused()
    {
        (int status, _, string errors) = await Launcher.Run("run", "--kernel", Multiboot.Write(_folder, [0xf4]), "--initrd", _folder.Disk("initrd", 1L << 30));
        Assert.Equal(1, status);
        Assert.EndsWith(".", Assert.Single(errors.TrimEnd('\n').Split('\n')), StringComparison.Ordinal);
    }

    [Fact]
    public async Task With_json_the_sentence_is_a_json_line()
    {
        (int status, _, string errors) = await Launcher.Run("run", "--json", "--memory", "lots");
        Assert.Equal(2, status);
        using JsonDocument line = JsonDocument.Parse(errors);
        Assert.Equal("error", line.RootElement.GetProperty("level").GetString());
        Assert.Contains("'lots'", line.RootElement.GetProperty("message").GetString(), StringComparison.Ordinal);
    }
}
