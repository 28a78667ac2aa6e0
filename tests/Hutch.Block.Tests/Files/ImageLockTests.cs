using System;
using System.Diagnostics;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Runtime.InteropServices;
using System.Threading.Tasks;
using Hutch.Block.Files;
using Microsoft.Win32.SafeHandles;
using Xunit;

namespace Hutch.Block.Tests.Files;

public sealed class ImageLockTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("hutch-lock").FullName;

    private string Image => Path.Combine(_directory, "a.img");

    public ImageLockTests() => File.WriteAllBytes(Image, new byte[4096]);

    [Fact]
    public async Task A_refusal_says_which_lock_in_the_words_of_the_trade()
    {
        await using FileNode writer = FileNode.Open(Image, readOnly: false);
        DiskOpenException e = Assert.Throws<DiskOpenException>(() => FileNode.Open(Image, readOnly: true));
        Assert.Equal("Failed to get shared \"write\" lock", e.Reason);
        Assert.Equal($"Is another process using the image [{Image}]?", e.Hint);
        e = Assert.Throws<DiskOpenException>(() => FileNode.Open(Image, readOnly: false));
        Assert.Equal("Failed to get \"write\" lock", e.Reason);
    }

    [Fact]
    public async Task An_observer_looks_at_what_a_writer_has()
    {
        await using FileNode writer = FileNode.Open(Image, readOnly: false);
        await using FileNode observer = FileNode.Open(Image, new FileOpenOptions { ReadOnly = true, ForceShare = true });
        await BlockNodeContract.Write(writer, 0, [7]);
        Assert.Equal([7], await BlockNodeContract.Read(observer, 0, 1));
    }

    [Fact]
    public async Task An_observer_is_in_nobodys_way()
    {
        await using FileNode observer = FileNode.Open(Image, new FileOpenOptions { ReadOnly = true, ForceShare = true });
        await using FileNode writer = FileNode.Open(Image, readOnly: false);
    }

    [Fact]
    public async Task A_close_unlocks_though_the_kernel_still_has_the_file_open()
    {
        FileNode writer = FileNode.Open(Image, readOnly: false);
        // As a request of io_uring that has not quite ended would.
        string descriptor = Directory.EnumerateFiles("/proc/self/fd").Single(f => new FileInfo(f).LinkTarget == Image);
        using SafeFileHandle second = new(Duplicate(int.Parse(Path.GetFileName(descriptor), CultureInfo.InvariantCulture)), ownsHandle: true);
        Assert.False(second.IsInvalid);
        await writer.DisposeAsync();
        await FileNode.Open(Image, readOnly: false).DisposeAsync();
    }

    [QemuFact("qemu-io")]
    public void The_holder_is_named()
    {
        using Process holder = StartHolder("qemu-io", "-f", "raw", Image);
        try
        {
            DiskOpenException e = Assert.Throws<DiskOpenException>(() => FileNode.Open(Image, readOnly: false));
            Assert.Contains($"process {holder.Id.ToString(CultureInfo.InvariantCulture)} (", e.Holder, StringComparison.Ordinal);
            Assert.Contains("qemu-io", e.Holder, StringComparison.Ordinal);
            Assert.Contains(e.Holder!, e.Message, StringComparison.Ordinal);
        }
        finally
        {
            holder.StandardInput.Close();
            holder.WaitForExit();
        }
    }

    [QemuFact("qemu-io", "qemu-img")]
    public async Task Each_side_keeps_the_other_out_and_force_share_lets_in()
    {
        Assert.Equal(0, Qemu.Run("qemu-img", "create", "-q", "-f", "qcow2", Image, "1M").Status);
        await using (FileNode writer = FileNode.Open(Image, readOnly: false))
        {
            (int status, string text) = Qemu.Run("qemu-img", "info", Image);
            Assert.Equal(1, status);
            Assert.Contains("Failed to get shared \"write\" lock", text, StringComparison.Ordinal);
            Assert.Equal(0, Qemu.Run("qemu-img", "info", "-U", Image).Status);
        }
        using Process holder = StartHolder("qemu-io", "-f", "qcow2", Image);
        Assert.Throws<DiskOpenException>(() => FileNode.Open(Image, readOnly: true));
        await FileNode.Open(Image, new FileOpenOptions { ReadOnly = true, ForceShare = true }).DisposeAsync();
        holder.StandardInput.Close();
        holder.WaitForExit();
        await FileNode.Open(Image, readOnly: false).DisposeAsync();
    }

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [DllImport("libc", EntryPoint = "dup")]
    private static extern int Duplicate(int descriptor);

    // Returns when the program has the image: it answers.
    private static Process StartHolder(string program, params string[] arguments)
    {
        Process holder = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true })!;
        holder.StandardInput.WriteLine("length");
        holder.StandardInput.Flush();
        _ = holder.StandardOutput.ReadLine();
        return holder;
    }
}
