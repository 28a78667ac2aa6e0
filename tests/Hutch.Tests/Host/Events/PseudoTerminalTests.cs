using System;
using System.IO;
using System.Text;
using System.Threading;
using Hutch.Host.Events;
using Xunit;

namespace Hutch.Tests.Host.Events;

public sealed class PseudoTerminalTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("hutch-pty-").FullName;

    private string Link => Path.Combine(_folder, "serial0");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Whoever_opens_it_talks_with_the_device_and_another_may_follow()
    {
        File.CreateSymbolicLink(Link, "/nonexistent");
        using PseudoTerminal terminal = new(Link);
        terminal.Write("unheard\n"u8);
        terminal.StartInput(data =>
        {
            // As a guest that answers: raw, so a line feed stays one.
            terminal.Write(Encoding.ASCII.GetBytes($"[{Encoding.ASCII.GetString(data).Replace('\n', '|')}]\n"));
            return data.Length;
        });
        Assert.Equal(terminal.Path, new FileInfo(Link).LinkTarget);
        for (int round = 0; round < 2; round++)
        {
            using FileStream program = new(Link, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite, bufferSize: 0);
            program.Write(Encoding.ASCII.GetBytes($"hello {round}\n"));
            Assert.Equal($"[hello {round}|]\n", ReadLine(program));
        }
    }

    [Fact]
    public void Its_end_takes_the_link_along()
    {
        new PseudoTerminal(Link).Dispose();
        Assert.Empty(Directory.GetFileSystemEntries(_folder));
    }

    [Fact]
    public void A_file_that_is_no_link_is_left_alone()
    {
        File.WriteAllText(Link, "mine");
        Assert.Throws<IOException>(() => new PseudoTerminal(Link));
        Assert.Equal("mine", File.ReadAllText(Link));
    }

    private static string ReadLine(FileStream program)
    {
        StringBuilder line = new();
        using CancellationTokenSource patience = new(TimeSpan.FromSeconds(30));
        byte[] one = new byte[1];
        while (line.Length == 0 || line[^1] != '\n')
        {
            Assert.Equal(1, program.ReadAsync(one, patience.Token).AsTask().GetAwaiter().GetResult());
            line.Append((char)one[0]);
        }
        return line.ToString();
    }
}
