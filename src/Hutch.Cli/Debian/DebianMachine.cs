using System;
using System.IO;
using Hutch.Cli.Commands;
using Hutch.Cli.Guests;
using Hutch.Cli.Image;
using Hutch.Cli.Options;
using Hutch.Host.Networks;
using Hutch.Host.Time;
using Hutch.Model.Machine;

namespace Hutch.Cli.Debian;

/// <summary><c>hutch run debian</c>: what the user asked for, with disk, kernel, network and ssh keys of a Debian machine put in.</summary>
internal static class DebianMachine
{
    /// <summary>What stands in the place of a disk's path.</summary>
    internal const string Name = "debian";

    // What systemd, its journal and a few programs are comfortable with.
    private const string Memory = "1G";

    /// <summary>Whether the request is for one.</summary>
    internal static bool IsAsked(RunRequest request) => request.Image == Name;

    /// <summary>The request of a machine that boots Debian. Makes the image when there is none. Throws <see cref="UserException"/>.</summary>
    /// <param name="request">As the user wrote it.</param>
    /// <param name="machine">The machine's name.</param>
    /// <param name="say">Tells the user.</param>
    internal static RunRequest Prepare(RunRequest request, string machine, Action<string> say)
    {
        if (request.Kernel is not null) throw new UserException("'hutch run debian' has a kernel of its own; leave --kernel out, or name the disk that the kernel is to have.", ExitStatus.Usage);
        string? kept = request.Name is null ? null : MachineDisk.PathOf(NameOption.Checked(request.Name));
        DebianImage image = Find(kept, say, request.Json);
        if (kept is not null && !File.Exists(kept)) MachineDisk.Create(kept, image.Disk);
        string disk = kept is null ? $"{OptionText.Escape(image.Disk)},snapshot=on" : OptionText.Escape(kept);
        RunRequest ready = request with { Image = null, Disks = [disk, .. request.Disks], Memory = request.Memory ?? Memory, Stem = Name };
        if (request.Firmware is null && request.Boot is null && request.FwCfg.Count == 0)
        {
            (string kernel, string initrd, string line) = image.Boot($"systemd.hostname={machine} {request.Append}");
            ready = ready with { Kernel = kernel, Initrd = initrd, Append = line };
        }
        else ready = ready with { Firmware = request.Firmware ?? "seabios" };
        return Connect(ready, machine, kept, say);
    }

    private static RunRequest Connect(RunRequest request, string machine, string? kept, Action<string> say)
    {
        string keys = SshAccess.Keys(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile));
        request = request with { Smbios = [$"type=11,value=io.systemd.credential:hutch.hostname={machine}", .. request.Smbios] };
        if (keys.Length != 0) request = request with { Smbios = [$"type=11,value={SshAccess.Credential(keys)}", .. request.Smbios] };
        if (request.Nets.Count == 0 && SlirpLibrary.IsInstalled)
        {
            int port = SshAccess.FreePort();
            request = request with { Nets = [SshAccess.Network(port)] };
            say(keys.Length != 0 ? $"{machine}: {SshAccess.Command(port)}" : $"{machine}: there is no public key in ~/.ssh, so that ssh lets nobody in; 'ssh-keygen' makes one for the next start.");
        }
        say(kept is null ? $"{machine}: stop it with 'hutch stop {machine}' or poweroff; its disk is forgotten then. --name NAME keeps one."
            : $"{machine}: stop it with 'hutch stop {machine}' or poweroff; its disk is {kept}.");
        return request;
    }

    // A disk that is there says what it lies on; it may be older than what would be made today.
    private static DebianImage Find(string? kept, Action<string> say, bool json)
    {
        if (kept is null || !File.Exists(kept))
        {
            BuildProgress progress = new(say, json || Console.IsErrorRedirected ? null : Console.Error.Write, new MonotonicClock());
            using CancelSource cancel = new();
            try
            {
                return DebianImage.Prepare(new GuestCache(GuestCache.DefaultRoot(), say), progress, cancel.Token);
            }
            catch (OperationCanceledException)
            {
                throw new UserException("The Debian disk was not finished; the next 'hutch run debian' makes it anew.", CancelSource.Status);
            }
        }
        string backing = MachineDisk.Backing(kept);
        if (File.Exists(backing)) return new DebianImage(Path.GetDirectoryName(backing)!);
        throw new UserException($"The disk {kept} lies on {backing}, which is gone; bring that back, or remove the disk with 'hutch images rm {Path.GetFileNameWithoutExtension(kept)}'.", ExitStatus.BadConfiguration);
    }
}
