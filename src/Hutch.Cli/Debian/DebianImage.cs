using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Text;
using System.Threading;
using Hutch.Block;
using Hutch.Block.Formats;
using Hutch.Block.Graph;
using Hutch.Block.Jobs;
using Hutch.Cli.Guests;

namespace Hutch.Cli.Debian;

/// <summary>A disk with Debian 12 in the cache, beside the kernel and the initial RAM disk that start it without firmware.</summary>
/// <param name="Directory">The cache's entry.</param>
internal sealed record DebianImage(string Directory)
{
    /// <summary>What all entries' names begin with.</summary>
    internal const string Family = "debian-12-";

    private const string DiskName = "disk.qcow2";

    // Raised when what is made changes otherwise than by the scripts and the list of packages.
    private const string Recipe = "1";

    private static readonly string[] BootModules = ["virtio_pci", "virtio_blk"];

    /// <summary>The disk, which nobody writes to any more.</summary>
    internal string Disk => $"{Directory}/{DiskName}";

    /// <summary>How it boots without firmware.</summary>
    /// <param name="more">Is added to the kernel's command line; may be empty.</param>
    internal (string Kernel, string Initrd, string CommandLine) Boot(string more) =>
        ($"{Directory}/vmlinuz", $"{Directory}/initrd", $"console=ttyS0 quiet root=/dev/vda3 rw memhp_default_state=online_movable {more}".TrimEnd());

    /// <summary>Takes it from the cache, or makes it. Throws <see cref="UserException"/> and <see cref="OperationCanceledException"/>.</summary>
    internal static DebianImage Prepare(GuestCache cache, BuildProgress progress, CancellationToken cancellation) =>
        new(cache.Get($"{Family}{Fingerprint()}", directory => Make(directory, progress, cancellation)));

    private static string Fingerprint() =>
        GuestCache.Fingerprint([.. Initramfs.Script("system.sh"), .. Initramfs.Script("start.sh"), .. Encoding.ASCII.GetBytes($"{Recipe} {DebianSystem.Packages} {DiskLayout.DiskBytes}")])[..8];

    private static void Make(string directory, BuildProgress progress, CancellationToken cancellation)
    {
        HostTools.Check(File.Exists, Environment.GetEnvironmentVariable("PATH") ?? "", Environment.IsPrivilegedProcess);
        string work = System.IO.Directory.CreateDirectory($"{directory}/work").FullName, raw = $"{work}/disk.raw", parts = $"{work}/parts.tar";
        Guid fileSystem = Guid.NewGuid();
        try
        {
            GrubImages.Make(work, fileSystem);
            using (FileStream disk = new(raw, FileMode.CreateNew)) disk.SetLength(DiskLayout.DiskBytes);
            DebianSystem.Install(work, raw, parts, fileSystem, progress, cancellation);
            DiskLayout.Write(raw, work);
            MakeBootFiles(directory, parts);
            Compress(raw, $"{directory}/{DiskName}", progress, cancellation);
        }
        catch (HostProgramException error)
        {
            throw new UserException($"The Debian disk could not be made: {error.Message}", Model.Machine.ExitStatus.BadConfiguration);
        }
        finally
        {
            progress.Close();
        }
        System.IO.Directory.Delete(work, recursive: true);
    }

    private static void MakeBootFiles(string directory, string parts)
    {
        Dictionary<string, byte[]> files = [];
        using (FileStream archive = new(parts, FileMode.Open, FileAccess.Read)) DebianPackages.ReadArchive(archive, static _ => true, files);
        const string kernel = "boot/vmlinuz-", busybox = "usr/bin/busybox";
        foreach ((string path, byte[] content) in files)
        {
            if (!path.StartsWith(kernel, StringComparison.Ordinal)) continue;
            List<KernelModule> modules = GuestParts.Select(files, path[kernel.Length..], BootModules, "linux-image-cloud-amd64");
            GuestCache.WriteDurably($"{directory}/vmlinuz", file => file.Write(content));
            GuestCache.WriteDurably($"{directory}/initrd", file => WriteInitrd(file, files[busybox], modules));
            return;
        }
        throw new InvalidOperationException("The new system has no kernel.");
    }

    private static void WriteInitrd(Stream output, byte[] busybox, List<KernelModule> modules)
    {
        CpioWriter cpio = new(output);
        foreach (string folder in (ReadOnlySpan<string>)["bin", "dev", "root"]) cpio.Directory(folder);
        cpio.Character("dev/console", 5, 1);
        cpio.Character("dev/null", 1, 3);
        cpio.Program("bin/busybox", busybox);
        cpio.Link("bin/sh", "busybox");
        cpio.Program("init", Initramfs.Script("start.sh"));
        StringBuilder list = new();
        foreach (KernelModule module in modules)
        {
            cpio.File($"{module.Name}.ko", module.Content);
            list.Append(CultureInfo.InvariantCulture, $"/{module.Name}.ko\n");
        }
        cpio.File("modules", Encoding.ASCII.GetBytes(list.ToString()));
        cpio.Finish();
    }

    private static void Compress(string raw, string path, BuildProgress progress, CancellationToken cancellation)
    {
        progress.Begin("compressing the disk", BuildProgress.Share);
        try
        {
            Blocking.Wait(BlockGraph.CreateAsync(new BlockCreateRequest
            {
                Filename = path, Format = ImageFormats.Find("qcow2")!, LengthBytes = DiskLayout.DiskBytes, Options = new Dictionary<string, string>(),
            }, cancellation));
            ImageNode source = Blocking.Wait(BlockGraph.OpenAsync(new BlockOpenRequest { Filename = raw, Format = "raw", ReadOnly = true }, cancellation));
            ImageNode target = Blocking.Wait(BlockGraph.OpenAsync(new BlockOpenRequest { Filename = path, Format = "qcow2" }, cancellation));
            try
            {
                CopyOptions options = new() { Compress = true, TargetIsZero = true, Workers = Environment.ProcessorCount, Progress = done => progress.Report((long)(done * 1000), 1000) };
                using CopyJob job = new([source], target, options, cancellation);
                job.Run();
                Blocking.Wait(target.FlushAsync(cancellation));
            }
            finally
            {
                Blocking.Wait(target.DisposeAsync());
                Blocking.Wait(source.DisposeAsync());
            }
        }
        catch (Exception error) when (error is ImageException or BlockIoException or CopyException)
        {
            throw new UserException($"The Debian disk could not be compressed: {error.Message.TrimEnd('.')}; see that there is space in {Path.GetDirectoryName(path)}.", Model.Machine.ExitStatus.BadConfiguration);
        }
    }
}
