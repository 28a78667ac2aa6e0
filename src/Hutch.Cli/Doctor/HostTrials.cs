using Hutch.Cli.Launch;
using Hutch.Host.Trials;

namespace Hutch.Cli.Doctor;

/// <summary>The trials on this host.</summary>
internal sealed class HostTrials : IHostTrials
{
    public Trial OpenDevice(string path) => DeviceTrials.Open(path);

    public Trial MakeInterface(string path) => DeviceTrials.MakeInterface(path);

    public Trial Vhost(string path) => DeviceTrials.Vhost(path);

    public Trial IoUring() => IoUringTrial.Run();

    public Trial UserfaultOfUserMode() => DeviceTrials.UserfaultOfUserMode();

    public Trial UserfaultOfKernel(string path) => DeviceTrials.UserfaultOfKernel(path);

    public Trial Landlock() => SystemTrials.Landlock();

    public Trial HugePage(ulong pageBytes) => MemoryTrials.HugePage(pageBytes);

    public Trial TransparentHugePage() => MemoryTrials.TransparentHugePage();

    public Trial Mergeable() => MemoryTrials.Mergeable();

    public Trial MemoryPolicy() => MemoryTrials.Policy();

    public Trial CodeMemory() => MemoryTrials.CodeMemory();

    public Trial FsGsBase() => SystemTrials.FsGsBase();

    public Trial ClockSynchronised() => SystemTrials.ClockSynchronised();

    public Trial Fsync(string directory) => SystemTrials.Fsync(directory);

    public Trial MakeDirectory(string path) => SystemTrials.MakeDirectory(path);

    public ProcessLimit Limit(LimitedResource resource) => SystemTrials.Limit(resource);

    public string? Library(string library, string versionFunction) => LibraryTrial.VersionText(library, versionFunction);

    public uint UserId => SystemTrials.UserId;

    public uint[] GroupIds => SystemTrials.GroupIds();

    public string? ProbeKvm(out string reason) => VmmProcess.Ask("--probe", out reason);
}
