using System.Collections.Generic;
using System.Diagnostics;
using System.Threading.Tasks;
using Xunit;

namespace Hutch.GuestTests;

public sealed class LauncherTests
{
    [Fact]
    public async Task A_kind_of_build_that_does_not_exist_is_refused_and_the_kinds_are_named()
    {
        using Process process = Launcher.Start(["--version"], new Dictionary<string, string> { ["HUTCH_BUILD"] = "jit" });
        string errors = await process.StandardError.ReadToEndAsync();
        Assert.Equal("hutch: HUTCH_BUILD is 'jit'; it may be 'aot' or 'r2r', or unset.\n", errors);
        await process.WaitForExitAsync();
        Assert.Equal(1, process.ExitCode);
    }
}
